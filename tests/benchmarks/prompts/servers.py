"""A server with a tokenizer of its own: a token is a word, ids are its letters' sum; a chat costs four tokens more, a prompt one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.loadgen.target import Target

CHAT, BOS = 4, 1


class Served:
    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.status = 200
        self.answers: dict[str, tuple[int, Any]] = {}  # by path, instead of the tokenizer's

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        self.asked.append((path, body))
        if path in self.answers:
            return self.answers[path]
        if path == "/detokenize":
            return 200, {"prompt": " ".join(f"w{number}" for number in body["tokens"])}
        text = body["prompt"] if "prompt" in body else " ".join(message["content"] for message in body["messages"])
        more = CHAT if "messages" in body else BOS if body.get("add_special_tokens", True) else 0
        ids = [0] * more + [sum(map(ord, word)) for word in text.split()]
        return 200, {"count": len(ids), "max_model_len": 2048, "tokens": ids}

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split()[0])
                status, data = self.answer(head.split()[1], json.loads(await reader.readexactly(length)))
                body = data if isinstance(data, bytes) else json.dumps(data).encode()
                writer.write(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Served, Target]]:
    subject = Served()
    server = await asyncio.start_server(subject.handle, "127.0.0.1", 0)
    try:
        yield subject, Target(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()
