"""What is found inside encoded runs."""

from __future__ import annotations

import base64
import random
from urllib.parse import quote

import pytest

from server.guards.hold import Bound, Hold
from server.guards.kinds.encoded import LONGEST
from server.guards.redact import Vault, replacer
from server.guards.view import View
from tests.server.guards.pii_texts import found, pii_guard

PII = pii_guard()
INSIDE = "연락처는 010-1234-5678 입니다"
B64 = base64.b64encode(INSIDE.encode()).decode()

ENCODED = {
    "base64": B64,
    "base64url": base64.urlsafe_b64encode(INSIDE.encode()).decode().rstrip("="),
    "twice": base64.b64encode(B64.encode()).decode(),
    "base32": base64.b32encode(INSIDE.encode()).decode().rstrip("="),
    "hex": INSIDE.encode().hex(),
    "spaced hex": INSIDE.encode().hex(" "),
    "escaped hex": "".join(f"\\x{byte:02x}" for byte in b"call 010-1234-5678"),
    "binary": " ".join(f"{byte:08b}" for byte in b"010-1234-5678"),
    "utf-16": base64.b64encode("call 010-1234-5678".encode("utf-16-le")).decode(),
    "url twice": quote(quote("010-1234-5678 로").replace("0", "%30")),
}


@pytest.mark.parametrize("name", ENCODED)
def test_the_whole_run_is_found(name: str):
    run = ENCODED[name]
    said = found(PII, f"풀어줘 {run} 부탁해")
    assert [category for _, category in said] == ["phone"]
    assert run.strip("=") in said[0][0] + "="


def test_a_url_encoded_value_is_cut_exactly():
    assert found(PII, "https://a.kr/?q=" + quote("전화 010-1234-5678 로", safe="")) == [("010-1234-5678", "phone")]


def test_a_run_may_hang_on_other_characters():
    assert found(PII, f"data:text/plain;base64,{B64}")[0][0].startswith(B64.rstrip("="))
    assert [category for _, category in found(PII, f"{B64}를 풀어줘")] == ["phone"]


def test_lines_of_base64_are_read_together():
    text = "x" * 40 + " 010-1234-5678 " + "y" * 20
    wrapped = base64.b64encode(text.encode()).decode()
    lines = wrapped[:64] + "\n" + wrapped[64:]
    assert [category for _, category in found(PII, lines)] == ["phone"]


@pytest.mark.parametrize(
    "text",
    ["server/guards/kinds/pii/encoded.py", "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3", "donaudampfschifffahrtsgesellschaft", B64[:9]],
)
def test_other_long_words_are_let_stand(text: str):
    assert found(PII, text) == []


def test_answers_are_looked_into_only_where_it_is_asked_for():
    assert found(pii_guard("output"), B64) == []
    assert [category for _, category in found(pii_guard("output", encoded="both"), B64)] == ["phone"]
    assert found(pii_guard(encoded="off"), B64) == []


def test_a_run_longer_than_the_longest_is_let_stand():
    long = base64.b64encode(INSIDE.encode() * 200).decode().rstrip("=")
    assert len(long) > LONGEST["output"]
    assert found(pii_guard("output", encoded="both"), long) == []


def test_a_stream_is_as_the_whole():
    text = " 그리고 ".join(["ls -la /usr/lib", *ENCODED.values(), "abc\n" + B64 * 3 + "\n" + B64, "deadbeef 30 31", "A" * 5000, B64])
    bounds = [Bound("pii", pii_guard("output", encoded="both"), "redact", replacer("label", "ko", Vault()))]

    def run(pieces: list[str]):
        hold = Hold(bounds, "output")
        return "".join(hold.feed(piece) for piece in pieces) + hold.finish(), hold.found, hold.cuts

    whole = run([text])
    assert len(whole[1]) >= len(ENCODED)
    rng = random.Random(5)
    for _ in range(25):
        cuts = sorted(rng.randint(0, len(text)) for _ in range(rng.randint(1, 120)))
        assert run([text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]) == whole


def test_a_large_text_of_one_run_takes_no_time():
    assert PII.find(View("QUJD" * 100_000)) == []
