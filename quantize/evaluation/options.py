"""What is measured, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantize.errors import UsageError

LISTED = 50  # most likely tokens asked for at each position; a variant's are looked up for the baseline's first 20


@dataclass(frozen=True)
class Options:
    """`text` and `questions` None: the model's default (quantize/evaluation/texts.py); `max_questions` None: all of them.

    `engine_flags` go to the engine as they stand after `--`. Engine logs are kept in `logs`; None: only that of a failed start,
    in the system's temporary folder. `python` runs `-m sllm serve`, None: this one.
    """

    text: Path | None = None
    questions: Path | None = None
    concurrency: tuple[int, ...] = (1, 8)
    input_tokens: int = 128
    output_tokens: int = 64
    repeats: int = 3
    max_questions: int | None = None
    max_texts: int = 128
    max_text_tokens: int = 512
    quality: bool = True
    speed: bool = True
    seed: int = 0
    engine_flags: tuple[str, ...] = ()
    logs: Path | None = None
    harness: tuple[str, ...] = ()
    harness_tasks_dir: Path | None = None
    harness_limit: int | None = None

    def __post_init__(self) -> None:
        numbers = {"--output-tokens": self.output_tokens, "--max-texts": self.max_texts, "--repeats": self.repeats}
        numbers |= {"--max-questions": 1 if self.max_questions is None else self.max_questions}
        numbers |= {"--concurrency": min(self.concurrency, default=1), "--input-tokens": self.input_tokens}
        for flag, number in numbers.items():
            if number < 1:
                raise UsageError(f"{flag} {number}: write a number from 1")

    @classmethod
    def for_check(cls, **changes: Any) -> Options:
        """A light one: is it the model it was made from, and does it answer? No speed, few texts and questions."""
        return cls(**{"speed": False, "max_texts": 32, "max_questions": 64, **changes})

    def to_dict(self) -> dict[str, Any]:
        """For the record: what decides the figures; paths by their name only."""
        return {
            "text": self.text.name if self.text else None,
            "questions": self.questions.name if self.questions else None,
            "concurrency": list(self.concurrency),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "repeats": self.repeats,
            "max_questions": self.max_questions,
            "max_texts": self.max_texts,
            "max_text_tokens": self.max_text_tokens,
            "quality": self.quality,
            "speed": self.speed,
            "seed": self.seed,
            "engine_flags": list(self.engine_flags),
            "harness": list(self.harness),
            "harness_limit": self.harness_limit,
        }
