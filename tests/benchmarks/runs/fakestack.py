"""A stand-in for `sllm serve --json`: a gateway that says it is ready, and an engine on a Unix socket that answers with as many
tokens as are asked for, a step each, in as many slots as --max-num-seqs says.

The variable FAKE holds JSON: `starts`, `prompts`: files that each start and each request are added to; `fails`: methods that do not
start; `accepted`: accepted tokens of each draft, by method; `other_words`: methods whose answers differ; `dies_after`: requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.scripted import DONE, SSE_HEAD, Reply, Request, Scripted, json_answer

STEP = 0.002  # seconds
FAKE: dict[str, Any] = json.loads(os.environ.get("FAKE", "{}"))


def append(to: str, what: dict[str, Any]) -> None:
    if to in FAKE:
        with open(FAKE[to], "a") as file:
            file.write(json.dumps(what) + "\n")


class Engine:
    def __init__(self, spec: dict[str, Any], slots: int) -> None:
        self.method = str(spec.get("method", ""))
        self.tokens = int(spec.get("tokens", 0))
        self.accepted = min(FAKE.get("accepted", {}).get(self.method, 0), self.tokens)
        self.slots = asyncio.Semaphore(slots)
        self.drafts = self.answered = 0

    async def script(self, request: Request, reply: Reply) -> None:
        if request.path == "/metrics":
            await reply.json(self.metrics().encode())
        elif request.path == "/version":
            await reply.json({"version": "0.0"})
        elif request.path == "/v1/models":
            await reply.json({"data": [{"id": "m", "max_model_len": 2048}]})
        else:
            async with self.slots:
                await self.answer(request, reply)

    async def answer(self, request: Request, reply: Reply) -> None:
        self.answered += 1
        if FAKE.get("dies_after") and self.answered > FAKE["dies_after"]:
            os.kill(os.getpid(), signal.SIGKILL)
        body = request.json
        append("prompts", {"method": self.method, "prompt": body.get("messages") or body["prompt"]})
        chat, left = "messages" in body, int(body["max_tokens"])
        word = "other" if self.method in FAKE.get("other_words", ()) else "word"
        await reply.raw(SSE_HEAD)
        while left:
            await asyncio.sleep(STEP)
            now = min(left, 1 + self.accepted)
            self.drafts += bool(self.tokens)
            left -= now
            text = f"{word} " * now
            choice = {"index": 0, "finish_reason": None if left else "length", **({"delta": {"content": text}} if chat else {"text": text})}
            await reply.chunk(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
        usage = {"prompt_tokens": 8, "completion_tokens": body["max_tokens"], "total_tokens": 8 + body["max_tokens"]}
        await reply.chunk(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n")
        await reply.chunk(DONE)
        await reply.chunk(b"")

    def metrics(self) -> str:
        if not self.tokens:
            return 'vllm:num_requests_running{engine="0"} 0.0\n'
        names = {"drafts": self.drafts, "draft_tokens": self.drafts * self.tokens, "accepted_tokens": self.drafts * self.accepted}
        lines = [f'vllm:spec_decode_num_{name}_total{{engine="0"}} {value}.0' for name, value in names.items()]
        for place in range(self.tokens):
            value = self.drafts if place < self.accepted else 0
            lines.append(f'vllm:spec_decode_num_accepted_tokens_per_pos_total{{engine="0",position="{place}"}} {value}.0')
        return "\n".join(lines) + "\n"


async def main(words: list[str]) -> None:
    own, flags = words[: words.index("--")], words[words.index("--") + 1 :]
    config = json.loads(Path(own[own.index("--config") + 1]).read_text())  # noqa: ASYNC240 nothing runs yet
    spec = (config.get("models") or [{}])[0].get("speculative") or {}
    append("starts", {"flags": flags, "speculative": spec, "pid": os.getpid()})
    if spec.get("method") in FAKE.get("fails", ()):
        sys.exit("12:00:00 m: failed after 1.0 s: no kernel for this")
    slots = int(flags[flags.index("--max-num-seqs") + 1]) if "--max-num-seqs" in flags else 256
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    with tempfile.TemporaryDirectory() as folder:
        async with Scripted(json_answer({})) as gateway, Scripted(Engine(spec, slots).script, f"{folder}/e.sock") as engine:
            models = [{"name": "m", "kind": "chat", "engine": engine.url}]
            print(json.dumps({"event": "ready", "address": gateway.url, "models": models}), flush=True)
            await ended.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1:]))
