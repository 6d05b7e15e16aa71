"""The server under measurement: waited for until it answers, and asked what it is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.errors import BenchError
from benchmarks.loadgen.client import ask
from benchmarks.loadgen.failures import NoAnswer
from benchmarks.loadgen.target import Target

NOTHING_THERE = 30.0  # seconds to wait where nothing listens at all
PAUSE = 0.5


@dataclass(frozen=True)
class ServerInfo:
    """What answers at `url`."""

    url: str
    model: str
    engine: str | None  # "vllm 0.32.0", where the server says it
    max_model_len: int | None

    def as_dict(self) -> dict[str, Any]:
        return {"url": self.url, "model": self.model, "engine": self.engine, "max_model_len": self.max_model_len, "flags": None}


async def wait_ready(target: Target, url: str, timeout: float, say: Callable[[str], None]) -> None:
    """Return once `/v1/models` answers 200, and `/ready` too where there is one. Raises BenchError after `timeout` seconds, or after
    NOTHING_THERE seconds during which nothing listened."""
    began, reached, said = time.monotonic(), False, ""
    while True:
        try:
            status, body = await ask(target, "GET", "/ready", timeout=10.0)
            if status in (404, 405, 501) or status < 300:
                status, body = await ask(target, "GET", "/v1/models", timeout=10.0)
            reached = True
            if status == 200:
                return
            if status in (401, 403):
                raise BenchError(f"{url} wants a key (status {status}): name the variable that holds it: --api-key-env OPENAI_API_KEY")
            if status == 404:
                raise BenchError(f"{url} has no /v1/models, so it is no server of the OpenAI API: look at the address")
            now = f"status {status}: {_words(body)}"
        except NoAnswer as error:
            now = error.message
        waited = time.monotonic() - began
        if waited > (timeout if reached else min(NOTHING_THERE, timeout)):
            hint = "it never became ready" if reached else "is it running? start one with `sllm serve`"
            raise BenchError(f"{url} did not answer in {waited:.0f} s ({now}): {hint}; --ready-timeout SECONDS waits longer")
        if now != said:
            say(f"waiting for {url}: {now}")
            said = now
        await asyncio.sleep(PAUSE)


async def describe(target: Target, url: str, model: str | None) -> ServerInfo:
    """Which model is asked, and what serves it. Raises BenchError where `model` is not served."""
    _, body = await ask(target, "GET", "/v1/models", timeout=30.0)
    try:
        served = {entry["id"]: entry for entry in json.loads(body)["data"]}
    except (ValueError, LookupError, TypeError):
        raise BenchError(f"{url}/v1/models is not what the OpenAI API says: {_words(body)}") from None
    if not served:
        raise BenchError(f"{url} serves no model: look at its log, or start one with `sllm serve MODEL`")
    if model is not None and model not in served:
        raise BenchError(f"{url} does not serve '{model}'; it serves {', '.join(served)}: --model NAME")
    name = model or next(iter(served))
    length, engine = served[name].get("max_model_len"), served[name].get("engine")
    return ServerInfo(url, name, engine or await _engine(target), length if isinstance(length, int) else None)


async def _engine(target: Target) -> str | None:
    """vLLM says its version at /version, our gateway beside each model; others do not."""
    try:
        status, body = await ask(target, "GET", "/version", timeout=10.0)
        version = json.loads(body).get("version") if status == 200 else None
    except (NoAnswer, ValueError, AttributeError):
        return None
    return f"vllm {version}" if version else None


def _words(body: bytes) -> str:
    """What an error body says, one line of at most 200 characters."""
    try:
        said = json.loads(body)
        error = said.get("error", said)
        text = str(error.get("message", error) if isinstance(error, dict) else error)
    except (ValueError, AttributeError):
        text = body.decode(errors="replace")
    return " ".join(text.split())[:200] or "an empty answer"
