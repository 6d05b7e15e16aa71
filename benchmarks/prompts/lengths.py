"""How long prompts and answers are: one length, or lengths drawn around a mean."""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.errors import BenchUsageError


@dataclass(frozen=True)
class Length:
    """`mean` tokens; with `ratio`, uniform from mean * (1 - ratio) to mean * (1 + ratio), as vLLM's --random-range-ratio; with `std`,
    normal with that standard deviation, as GuideLLM's prompt_tokens_stdev. Never below 1."""

    mean: int
    ratio: float = 0.0
    std: float = 0.0

    def check(self, flag: str) -> None:
        """Raises BenchUsageError naming `flag`: input or output."""
        if self.mean < 1:
            raise BenchUsageError(f"--{flag}-tokens {self.mean}: write 1 or more")
        if not 0 <= self.ratio < 1:
            raise BenchUsageError(f"--{flag}-range {self.ratio:g}: write a share from 0 to below 1; 0.2 is 20% to each side")
        if self.std < 0 or self.std != self.std:
            raise BenchUsageError(f"--{flag}-std {self.std:g}: write a number of tokens, 0 or more")
        if self.ratio and self.std:
            raise BenchUsageError(f"--{flag}-range and --{flag}-std both say how lengths vary: give one of them")

    @property
    def longest(self) -> int:
        """The most tokens that are drawn; of a normal distribution, three standard deviations above the mean."""
        return int(self.mean * (1 + self.ratio) + 3 * self.std)

    def draw(self, rng: random.Random) -> int:
        if self.ratio:
            return max(1, rng.randint(int(self.mean * (1 - self.ratio)), int(self.mean * (1 + self.ratio))))
        if self.std:
            return min(self.longest, max(1, round(rng.gauss(self.mean, self.std))))
        return self.mean
