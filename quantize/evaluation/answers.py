"""Exact match on a question file: greedy answers, compared after the white space around them is taken off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict

from quantize.evaluation.client import Client, gather
from quantize.evaluation.texts import Question

AT_ONCE = 16
LONGEST = 1024  # tokens


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)

    prompt: str
    wanted: str
    got: str
    language: str = ""

    @property
    def right(self) -> bool:
        return self.got.strip() == self.wanted.strip()


async def ask(client: Client, questions: Sequence[Question], context: int, say: Callable[[str], None]) -> tuple[Answer, ...]:
    """Ask them all, 16 at a time. A token is at least one byte, so that no right answer is cut off by the limit."""
    longest = max(len(question.answer.encode()) for question in questions)
    limit = min(longest + 8, LONGEST, max(context // 2, 1))

    def told(number: int) -> None:
        if number % 100 == 0 or number == len(questions):
            say(f"questions {number} of {len(questions)}")

    got = await gather([partial(client.answer, question, limit) for question in questions], AT_ONCE, told)
    return tuple(Answer(prompt=q.prompt, wanted=q.answer, got=text, language=q.language) for q, text in zip(questions, got, strict=True))


def share_right(answers: Sequence[Answer]) -> float:
    return sum(answer.right for answer in answers) / len(answers)


def by_language(answers: Sequence[Answer]) -> dict[str, float]:
    """Exact match of each language that the file names; empty where it names none."""
    languages = sorted({answer.language for answer in answers if answer.language})
    return {language: share_right([a for a in answers if a.language == language]) for language in languages}
