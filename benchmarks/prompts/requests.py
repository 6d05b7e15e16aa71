"""Prompts made into requests: the bytes that go out."""

from __future__ import annotations

import json
import random
from typing import Any

from benchmarks.loadgen.records import Request
from benchmarks.prompts.jsonl import jsonl
from benchmarks.prompts.options import ENDPOINTS, PromptOptions
from benchmarks.prompts.sharegpt import sharegpt
from benchmarks.prompts.synthetic import Prompt, synthetic
from benchmarks.prompts.tokenizer import Tokenizer

__all__ = ["PromptOptions", "build"]
SOURCES = {"random": synthetic, "text": synthetic, "sharegpt": sharegpt, "jsonl": jsonl}


async def build(
    options: PromptOptions, tokenizer: Tokenizer, model: str, count: int, seed: int, notes: list[str] | None = None
) -> list[Request]:
    """`count` requests, the same for the same seed; fewer where a file has fewer that can be asked.

    What was left out or is not as wanted is added to `notes`, a sentence each. Raises BenchUsageError.
    """
    options.check()
    notes = [] if notes is None else notes
    prompts = await SOURCES[options.dataset](options, tokenizer, count, seed, notes)
    if len(prompts) < count:
        notes.append(
            f"{options.file} has {len(prompts)} prompts for {count} requests: they repeat, so the server's prefix cache may know them"
        )
    rng = random.Random(f"seeds {seed}")
    return [_request(options, prompt, model, rng.randrange(2**31), seed) for prompt in prompts]


def _request(options: PromptOptions, prompt: Prompt, model: str, seed: int, build_seed: int) -> Request:
    limit = prompt.output_tokens
    body: dict[str, Any] = {"model": model, "messages" if options.endpoint == "chat" else "prompt": prompt.content}
    body |= {"max_tokens": limit, "temperature": options.temperature, "stream": True, "stream_options": {"include_usage": True}}
    if options.ignore_eos:
        body["ignore_eos"] = True  # vLLM and SGLang: the answer has exactly max_tokens tokens
    if options.temperature > 0:
        body["seed"] = seed
    if options.cache_salt:
        body["cache_salt"] = f"{options.cache_salt}-{build_seed}"
    data = json.dumps(body | prompt.extra | options.extra, ensure_ascii=False, separators=(",", ":")).encode()
    return Request(ENDPOINTS[options.endpoint], data, prompt.input_tokens, limit, prompt.group)
