"""The guards' benchmark: clean prose, streams checked by their text, differences judged round by round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import guards, prose
from benchmarks.load import Target, load
from benchmarks.mock import Mock, event, listen

DONE = b"data: [DONE]\n\n"


def stream(pieces: list[str]) -> bytes:
    return b"".join(event(i, False, piece) for i, piece in enumerate(pieces)) + DONE


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_tokens_are_the_text(language: str):
    whole = "".join(prose.tokens(language, 1000))
    assert whole.startswith(prose.TEXTS[language].rstrip() + " " + prose.TEXTS[language][:20])


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_stream_is_right_however_its_text_is_cut(language: str):
    check = guards.check_prose(language, 12)
    pieces = prose.tokens(language, 12)
    assert check(200, stream(pieces)) is None
    assert check(200, stream(["", "".join(pieces[:5]), "".join(pieces[5:])])) is None


def test_a_stream_that_lost_or_changed_a_letter_is_wrong():
    check, pieces = guards.check_prose("ko", 12), prose.tokens("ko", 12)
    assert check(200, stream(pieces[:-1])) == "another text"
    assert check(200, stream(["[이름]", *pieces[1:]])) == "another text"
    assert check(200, stream(pieces).removesuffix(DONE)) == "no [DONE] at the end"
    assert check(400, stream(pieces)) == "status 400"


@pytest.mark.parametrize("scenario", [s for s in guards.SCENARIOS if s.events], ids=lambda s: s.name)
async def test_the_mock_answers_what_each_scenario_asks_for(scenario: guards.Scenario):
    server = await listen(Mock())
    target = Target(server.sockets[0].getsockname()[1])
    check = guards.check_prose(scenario.language, scenario.events)
    result = await load(target, guards.request(target, scenario), check, concurrency=1, limit=2, begins=guards.CONTENT)
    server.close()
    assert (result.requests, dict(result.errors)) == (2, {})
    assert all(0 < first <= whole for first, whole in zip(result.first_bytes, result.latencies, strict=True))


def test_an_event_without_content_is_no_first_token():
    assert not guards.CONTENT.search(event(0, False, ""))
    assert guards.CONTENT.search(event(0, False, "가"))


def measured(subject: str, number: int, first: float, rate: float = 100.0) -> dict[str, Any]:
    figures = {"first_ms": first, "p50_ms": first, "per_second": rate, "cpu_us": 1.0, "elsewhere": 0.0}
    return {"scenario": "first token, en", "subject": subject, "round": number, **figures}


@pytest.mark.parametrize(("added", "met"), [(0.9, True), (1.1, False)])
def test_what_guards_add_is_a_difference_within_a_round(added: float, met: bool):
    rounds = []
    for number, base in enumerate((1.0, 9.0, 1.2)):  # a slow spell of the machine hits both sides
        rounds += [measured(guards.OFF, number, base), measured(guards.PII, number, base + added)]
    (row,) = guards.summary(rounds, {("first token, en", guards.PII): 0.5})
    assert (row["guards"], row["median"], row["met"], row["waited_ms"]) == (guards.PII, pytest.approx(added), met, 0.5)


def test_the_texts_are_judged_by_the_command(tmp_path: Path):
    (tmp_path / "guards.yaml").write_text("guards: [{kind: length, stage: input, max_characters: 3}]")
    (tmp_path / "texts.jsonl").write_text('{"text": "long", "label": "attack"}\n{"text": "ok", "label": "clean"}\n')
    found = guards.told(str(tmp_path / "texts.jsonl"), str(tmp_path / "guards.yaml"), {0})
    assert found["all"]["texts"]["f1"] == 1.0


def test_texts_that_cannot_be_judged_are_an_error(tmp_path: Path):
    with pytest.raises(RuntimeError, match=r"sllm guard test nothing: the configuration|no configuration file"):
        guards.told("nothing", str(tmp_path / "guards.yaml"), {0})
