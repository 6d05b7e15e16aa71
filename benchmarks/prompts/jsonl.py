"""Own prompts, a JSON line each: {"prompt": "..."} or {"messages": [...]}, with "output_tokens" or "max_tokens" if wanted.

Lines of OpenAI's batch format ({"custom_id", "method", "url", "body"}) are taken as well: the body's other fields are sent along.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.fill import together, user
from benchmarks.prompts.options import ENDPOINTS, PromptOptions
from benchmarks.prompts.sharegpt import sample, shown
from benchmarks.prompts.synthetic import Prompt
from benchmarks.prompts.tokenizer import Tokenizer

LIMITS = ("output_tokens", "max_tokens", "max_completion_tokens")
OWN = ("model", "messages", "prompt", "stream", "stream_options", *LIMITS)
EXAMPLE = '{"prompt": "Hello"} or {"messages": [{"role": "user", "content": "Hello"}]}'


async def jsonl(options: PromptOptions, tokenizer: Tokenizer, count: int, seed: int, notes: list[str]) -> list[Prompt]:
    """At most `count` prompts. Raises BenchUsageError naming the line that cannot be asked; too long ones are left out and told."""
    assert options.file is not None
    source: Iterator[tuple[int, Prompt]] = prompts(options, options.file)
    if options.shuffle:
        source = iter(sample(source, count, random.Random(f"jsonl {seed}")))
    lines = list(islice(source, count))
    if not lines:
        raise BenchUsageError(f"--file {options.file} has no line: write one a request, {EXAMPLE}")
    lengths = random.Random(f"lengths {seed}")
    outputs = [
        options.output.draw(lengths) if options.output_tokens is not None or not prompt.output_tokens else prompt.output_tokens
        for _, prompt in lines
    ]
    tokens = await together(_tokens(tokenizer, prompt) for _, prompt in lines)
    found, long = [], []
    for (number, prompt), inputs, output in zip(lines, tokens, outputs, strict=True):
        if options.max_model_len and inputs + output > options.max_model_len:
            long.append(number)
        else:
            found.append(Prompt(prompt.content, inputs, output, prompt.group, prompt.extra))
    most = f"{options.max_model_len} tokens with the answer"
    if not found:
        raise BenchUsageError(f"--file {options.file}: every prompt is longer than the model's {most}: lower --output-tokens")
    if long:
        notes.append(f"{options.file}: {len(long)} left out that are longer than {most} ({shown(long, 'line', 'lines')})")
    return found


async def _tokens(tokenizer: Tokenizer, prompt: Prompt) -> int:
    if isinstance(prompt.content, str):
        return await tokenizer.prompt_tokens(prompt.content)
    if prompt.content and isinstance(prompt.content[0], int):
        return len(prompt.content)
    return await tokenizer.chat_tokens(prompt.content)  # type: ignore[arg-type]


def prompts(options: PromptOptions, file: Path) -> Iterator[tuple[int, Prompt]]:
    """(line number, prompt) of each line that is not empty."""
    try:
        with file.open(encoding="utf-8-sig") as opened:
            for number, line in enumerate(opened, start=1):
                if line.strip():
                    try:
                        yield number, _prompt(options.endpoint, json.loads(line))
                    except ValueError as error:
                        words = f"not JSON ({error})" if isinstance(error, json.JSONDecodeError) else str(error)
                        raise BenchUsageError(f"--file {file}, line {number}: {words}; write {EXAMPLE}") from None
    except OSError as error:
        raise BenchUsageError(f"--file {file}: {error.strerror or error}; write the path of a file with a JSON line a request") from None
    except UnicodeDecodeError:
        raise BenchUsageError(f"--file {file} is not UTF-8 text: convert it, or choose another file") from None


def _prompt(endpoint: str, line: Any) -> Prompt:
    """Raises ValueError saying what is wrong with the line."""
    if not isinstance(line, dict):
        raise ValueError("not a JSON object")
    extra: dict[str, Any] = {}
    if isinstance(line.get("body"), dict):
        url = line.get("url")
        if url is not None and url not in ENDPOINTS.values():
            raise ValueError(f"its url is {url}, which is no prompt for a model")
        line = line["body"]
        extra = {key: value for key, value in line.items() if key not in OWN}
    if ("prompt" in line) == ("messages" in line):
        raise ValueError("it has both prompt and messages" if "prompt" in line else "it has neither prompt nor messages")
    limits = [line[key] for key in LIMITS if line.get(key) is not None]
    if any(type(limit) is not int or limit < 1 for limit in limits):
        raise ValueError("its output_tokens is no whole number of 1 or more")
    content = _chat(line["messages"]) if "messages" in line else _text(line["prompt"])
    if endpoint == "completions" and "messages" in line:
        raise ValueError("it has messages, which /v1/completions has no place for: choose --endpoint chat")
    if endpoint == "chat" and isinstance(content, str):
        content = user(content)
    elif endpoint == "chat" and "prompt" in line:
        raise ValueError("its prompt is token ids, which a chat cannot take: choose --endpoint completions")
    json.dumps(content, ensure_ascii=False).encode()  # a lone surrogate is a ValueError here, not when it is sent
    return Prompt(content, output_tokens=limits[0] if limits else 0, extra=extra)


def _text(prompt: Any) -> Any:
    if isinstance(prompt, list) and prompt and all(type(number) is int and number >= 0 for number in prompt):
        return prompt
    if not isinstance(prompt, str) or not prompt:
        raise ValueError("its prompt is no text")
    return prompt


def _chat(messages: Any) -> Any:
    if not isinstance(messages, list) or not messages:
        raise ValueError("its messages are no list of messages")
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str) or "content" not in message:
            raise ValueError("a message of it has no role or no content")
    return messages
