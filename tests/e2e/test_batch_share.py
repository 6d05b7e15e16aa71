"""Batch lines and interactive requests in the real engine: who steps aside loses nothing."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import openai
import pytest

from tests.e2e.running import Stack

pytestmark = pytest.mark.engine

LINES, TOKENS = 40, 32


async def test_lines_that_step_aside_for_prompts_say_the_same(stack: Stack) -> None:
    rng = random.Random(3)
    prompts = [[rng.randrange(10, 2000) for _ in range(rng.randrange(20, 120))] for _ in range(LINES)]
    async with openai.AsyncOpenAI(base_url=f"{stack.base_url}/v1", api_key="none", max_retries=0) as client:

        async def line(prompt: list[int]) -> tuple[str, int]:
            more = {"ignore_eos": True, "priority": 100}
            done = await client.completions.create(model="chat", prompt=prompt, max_tokens=TOKENS, temperature=0, extra_body=more)
            assert done.usage is not None
            return done.choices[0].text, done.usage.completion_tokens

        async def ask() -> None:
            while True:
                asked = [rng.randrange(10, 2000) for _ in range(300)]
                await client.completions.create(model="chat", prompt=asked, max_tokens=2)

        alone = await asyncio.gather(*(line(prompt) for prompt in prompts))
        asking = [asyncio.create_task(ask()) for _ in range(3)]
        beside = await asyncio.gather(*(line(prompt) for prompt in prompts))
        for task in asking:
            task.cancel()
    assert {tokens for _, tokens in beside} == {TOKENS}
    same = sum(one == other for one, other in zip(alone, beside, strict=True))
    assert same >= 0.9 * LINES  # rounding of a larger batch may turn a near tie


def test_the_engine_runs_the_scheduler_that_lets_lines_step_aside(stack: Stack) -> None:
    log = Path(stack.data_dir / "logs" / "engine-chat.log").read_text(errors="replace")
    assert "custom scheduler class sllm_scheduler.scheduler" in log
    assert stack.engine("chat").takes_priority
    assert not stack.engine("embed").takes_priority
