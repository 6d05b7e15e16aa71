"""With the guards that ship in place of a scripted rule: both shapes say the same."""

from __future__ import annotations

import json
from random import Random

from server.guards.base import Finding, Tools
from server.guards.hold import Bound, Hold
from server.guards.kinds import make
from server.guards.passage import Kind
from server.guardsettings import Pattern, Pii
from tests.server.guards.shapes.scripted import REFUSAL, screened
from tests.server.guards.shapes.test_choices import CHAT, chat_stream, chat_whole, shown, shown_whole

WORDS = [
    "전화 ",
    "010-1234-",
    "5678",
    " 900101-",
    "1234567 ",
    "폭",
    "탄 ",
    "bo",
    "mb ",
    "a@b",
    "c.com ",
    "clean text ",
    "안녕. ",
    "😀",
    "4111 1111 ",
]


def label(text: str, finding: Finding) -> str:
    return f"[{finding.category}]"


BOUNDS = [
    Bound("pii", make(Pii(kind="pii"), "output", Tools()), "redact", label),  # type: ignore[arg-type]
    Bound("words", make(Pattern(kind="pattern", words=("폭탄", "bomb")), "output", Tools()), "block", label),  # type: ignore[arg-type]
]


class Guarded:
    refusal = REFUSAL

    def __init__(self, place: str, kind: Kind) -> None:
        self.hold = Hold(BOUNDS, "output")

    @property
    def blocked(self) -> bool:
        return self.hold.blocked is not None

    @property
    def released(self) -> int:
        return self.hold.released

    @property
    def cuts(self) -> list[tuple[int, int]]:
        return self.hold.cuts

    async def feed(self, text: str) -> str:
        return self.hold.feed(text)

    async def finish(self) -> str:
        return self.hold.finish()


async def test_a_chat_stream_says_what_the_whole_answer_says():
    for seed in range(60):
        random = Random(seed)

        def words() -> str:
            return "".join(random.choices(WORDS, k=random.randint(1, 8)))  # noqa: B023

        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": words()})}}
        messages = [
            {"role": "assistant", "content": words(), "reasoning": words()},
            {"role": "assistant", "content": words(), "tool_calls": [call]},
        ]
        got = await screened(CHAT, chat_stream(messages, random), Guarded, random, choices=2)
        assert shown(got) == await shown_whole(CHAT, chat_whole(messages), Guarded), seed
        assert "010-1234-5678" not in json.dumps(shown(got))
