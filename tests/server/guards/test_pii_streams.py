"""Personal data on streams: the same as in the whole, and never held back without an end."""

from __future__ import annotations

import random

import pytest

from server.guards.hold import Bound, Hold
from server.guards.kinds.pii import ENTITIES
from server.guards.redact import Vault, replacer
from tests.server.guards.pii_texts import pii_guard, secrets_guard, texts

STAND_IN = replacer("label", "ko", Vault())
BOUNDS = [
    Bound("pii", pii_guard("output", entities=tuple(ENTITIES)), "redact", STAND_IN),
    Bound("secrets", secrets_guard("output"), "redact", STAND_IN),
]


def run(pieces: list[str]):
    hold = Hold(BOUNDS, "output")
    out = "".join(hold.feed(piece) for piece in pieces) + hold.finish()
    return out, hold.found, hold.cuts


def pieces_of(text: str, rng: random.Random) -> list[str]:
    cuts = sorted(rng.randint(0, len(text)) for _ in range(rng.randint(1, max(1, len(text) // 2))))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@pytest.mark.parametrize("seed", range(4))
def test_random_cuts_change_nothing(seed: int):
    rng = random.Random(seed)
    every = texts()
    for _ in range(40):
        text = rng.choice(["", "\n", " ", "이고 "]).join(rng.choice(every) for _ in range(rng.choice([1, 1, 2, 3])))
        whole = run([text])
        for _ in range(2):
            pieces = pieces_of(text, rng)
            assert run(pieces) == whole, pieces
        assert run(list(text)) == whole, text


@pytest.mark.parametrize(
    "text",
    [
        "내 번호는 +82 lO-8742-8539 야",
        "전화 + 8 2 - 1 0 - 8 2 6 0 - 1 7 5 0 두 명",
        "번호 010-1234-5678이에요, 010-1234-567팔이요",
        "성명: 김철수, 이름 이서준 010-1234-5678",
        "주소: 테헤란로 123, 101동 1203호로 보내요",
        "110-123-456789 (신한은행) 110-123-456789 그냥 수",
        "12가 4567 (차량번호) P123456789012 (통관부호) 110-123-456789 (입금계좌)",
        "앱은 5.12.0.118 이상, cidr 100.64.0.0/16, ip 5.12.0.118 그냥",
        "Ship to 101-dong 502-ho, 12 Teheran-ro 7-gil, Gangnam-gu, Seoul 06236, Korea or 1 Infinite Loop, Cupertino, CA 95014",
        "비번 | Ab3!Frknuh | AKIA2E3D4C5B6A7Q2W3E / aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2dE3f, DB_PASS='xK9$mm2Lq'",
    ],
)
def test_every_cut_into_two_changes_nothing(text: str):
    whole = run([text])
    for at in range(len(text)):
        assert run([text[:at], text[at:]]) == whole, at


@pytest.mark.parametrize(
    "unit", ["1 ", "010-1234-5678 ", "password:", "eyJabcdefgh.", "a.b@c.de,", "서울 강남구 역삼동 1 ", "30 31 ", "공일 "]
)
def test_what_never_ends_is_held_back_to_a_bound(unit: str):
    hold = Hold(BOUNDS, "output")
    held = 0
    for _ in range(6000 // len(unit)):
        hold.feed(unit)
        held = max(held, len(hold._buffer))
    assert held < 3500
