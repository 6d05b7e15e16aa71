"""`sllm cache`: what it asks, what it prints, what it says when nobody answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.errors import UsageError
from server.settings import parse
from server.terminal import cache

FOUND: dict[str, Any] = {
    "store": "sqlite", "up": True, "entries": 1234, "bytes": 5 * 2**20, "max_bytes": 2**30, "questions": 0,
    "memory": {"entries": 7, "bytes": 900, "max_bytes": 64 * 2**20},
    "held": [{"model": "chat", "namespace": "", "entries": 1000, "bytes": 4 * 2**20},
             {"model": "chat", "namespace": "team a", "entries": 234, "bytes": 2**20}],
    "requests": {"hit": 60, "miss": 40, "bypass": 5}, "hit_rate": 0.6,
    "saved": {"engine_seconds": 12.5, "prompt_tokens": 3000, "completion_tokens": 900},
    "events": {}, "audited": 0, "false_hits": 0,
}  # fmt: skip


class Gateway:
    """Answers with `status` and `body`, and notes what it was asked."""

    def __init__(self, status: int = 200, body: Any = None) -> None:
        self.status, self.body = status, body
        self.asked: list[tuple[str, str, str]] = []

    def get(self, base: str, path: str, *, timeout: float, method: str) -> tuple[int, Any]:
        self.asked.append((method, base, path))
        return self.status, self.body


def test_stats_are_printed_for_people(capsys: pytest.CaptureFixture[str]):
    cache.stats("http://g", as_json=False, get=Gateway(200, FOUND).get)
    assert capsys.readouterr().out.splitlines() == [
        "store     sqlite: 1,234 answers, 5 MiB (0% of 1GiB)",
        "memory    7 answers, 900 B of 64MiB",
        "requests  5 bypass, 60 hit, 40 miss, 60.0% answered without an engine",
        "saved     3,000 prompt tokens, 900 completion tokens, 12.5 engine seconds",
        "  chat: 1,000 answers, 4 MiB",
        "  chat in team a: 234 answers, 1 MiB",
    ]


def test_stats_are_printed_for_programs(capsys: pytest.CaptureFixture[str]):
    cache.stats("http://g", as_json=True, get=Gateway(200, FOUND).get)
    assert json.loads(capsys.readouterr().out) == FOUND


@pytest.mark.parametrize(
    ("model", "namespace", "path"),
    [
        (None, None, "/admin/cache"),
        ("a b", None, "/admin/cache?model=a+b"),
        (None, "", "/admin/cache?namespace="),
        ("m", "n", "/admin/cache?model=m&namespace=n"),
    ],
)
def test_flush_says_what_is_to_go(model: str | None, namespace: str | None, path: str, capsys: pytest.CaptureFixture[str]):
    gateway = Gateway(200, {"removed": 1200})
    cache.flush("http://g", model, namespace, as_json=False, get=gateway.get)
    assert gateway.asked == [("DELETE", "http://g", path)]
    assert capsys.readouterr().out == "removed 1,200 answers\n"


def test_nobody_there_is_one_sentence():
    def nobody(*_: object, **__: object) -> tuple[int, Any]:
        raise ConnectionRefusedError(111, "Connection refused")

    with pytest.raises(cache.Refused, match=r"^no gateway answers at http://g \(Connection refused\): start it with `sllm serve`, or name"):
        cache.stats("http://g", as_json=False, get=nobody)


def test_the_gateways_own_words_are_passed_on():
    with pytest.raises(cache.Refused, match=r"^http://g: The cache is off"):
        cache.stats("http://g", as_json=False, get=Gateway(404, {"error": {"message": "The cache is off"}}).get)


def test_another_server_is_not_taken_for_a_gateway():
    with pytest.raises(cache.Refused, match=r"^http://g: it answered 404"):
        cache.stats("http://g", as_json=False, get=Gateway(404, None).get)


def test_the_address_is_the_configurations_unless_one_is_given():
    settings = parse({"gateway": {"host": "0.0.0.0", "port": 9000}})
    assert cache.address(settings, None) == "http://127.0.0.1:9000"
    assert cache.address(settings, "http://g:1/v1/") == "http://g:1"
    with pytest.raises(UsageError, match="'localhost' is no address"):
        cache.address(settings, "localhost")
