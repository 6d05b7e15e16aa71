"""What is asked of a server, as the flags say it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.lengths import Length

ENDPOINTS = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}
DATASETS = ("random", "text", "sharegpt", "jsonl")
FROM_FILE = ("sharegpt", "jsonl")
LANGUAGES = ("ko", "en")
OUTPUT_TOKENS = 128  # where neither the flags nor the data set say it
NOT_EXTRA = ("model", "messages", "prompt", "stream", "stream_options")  # what `extra` may not say: the generator's own


@dataclass(frozen=True)
class PromptOptions:
    """Lengths are in tokens. `input_tokens` counts the chat template, and does not count `prefix_tokens`, as in vLLM's bench."""

    endpoint: str = "chat"  # chat | completions
    dataset: str = "random"  # random | text | sharegpt | jsonl
    file: Path | None = None  # of sharegpt and jsonl
    language: str = "en"  # of the words of random and text: ko | en
    input_tokens: int = 128
    input_range: float = 0.0  # 0.2: uniform within 20% of input_tokens
    input_std: float = 0.0  # or normal, with this standard deviation in tokens
    output_tokens: int | None = None  # None: as the data set says, else OUTPUT_TOKENS
    output_range: float = 0.0
    output_std: float = 0.0
    prefix_tokens: int = 0  # of a beginning that the requests of one group share
    prefix_groups: int = 1
    token_ids: bool = True  # random prompts of /v1/completions go out as token ids: exact. False: as text, for servers that take no ids
    ignore_eos: bool = True
    temperature: float = 0.0
    shuffle: bool = False  # a random sample of the file, another for each seed; else its first entries
    max_model_len: int | None = None  # longest prompt and answer together that the model takes
    cache_salt: str | None = None  # vLLM's field: prompts of requests with another salt are not found in its prefix cache
    extra: dict[str, Any] = field(default_factory=dict)  # more fields of every request's body

    @property
    def input(self) -> Length:
        return Length(self.input_tokens, self.input_range, self.input_std)

    @property
    def output(self) -> Length:
        return Length(OUTPUT_TOKENS if self.output_tokens is None else self.output_tokens, self.output_range, self.output_std)

    def check(self) -> None:
        """Raises BenchUsageError for what cannot be asked, with the flag to change."""
        _one_of("--endpoint", self.endpoint, tuple(ENDPOINTS))
        _one_of("--dataset", self.dataset, DATASETS)
        _one_of("--language", self.language, LANGUAGES)
        if self.dataset in FROM_FILE and self.file is None:
            raise BenchUsageError(f"--dataset {self.dataset} needs a file: --file FILE")
        if self.dataset not in FROM_FILE and self.file is not None:
            raise BenchUsageError(f"--dataset {self.dataset} makes its own prompts: leave --file out, or write --dataset sharegpt or jsonl")
        if self.prefix_tokens < 0 or self.prefix_groups < 1:
            raise BenchUsageError("--prefix-tokens is 0 or more and --prefix-groups 1 or more")
        if self.prefix_tokens and self.dataset in FROM_FILE:
            raise BenchUsageError(
                f"--prefix-tokens goes with --dataset random or text; the prompts of a {self.dataset} file stay as they are"
            )
        if wrong := [name for name in NOT_EXTRA if name in self.extra]:
            raise BenchUsageError(f"extra body field '{wrong[0]}': the load generator sets it itself; leave it out")
        self.input.check("input")
        self.output.check("output")
        whole = self.prefix_tokens + self.input.longest + self.output.longest
        if self.dataset not in FROM_FILE and self.max_model_len and whole > self.max_model_len:
            prefix = f"{self.prefix_tokens} + " if self.prefix_tokens else ""
            raise BenchUsageError(
                f"{prefix}{self.input.longest} input and {self.output.longest} output tokens do not fit the model's {self.max_model_len}: "
                "lower --input-tokens or --output-tokens"
            )


def _one_of(flag: str, value: str, names: tuple[str, ...]) -> None:
    if value not in names:
        raise BenchUsageError(f"{flag} {value}: write {', '.join(names[:-1])} or {names[-1]}")
