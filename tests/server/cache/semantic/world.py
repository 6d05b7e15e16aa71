"""A semantic cache over memory, with an embedder, answers, a judge and chance that tests decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from prometheus_client import CollectorRegistry

from server.cache.entry import Entry
from server.cache.identity import Identity, Origin, identify
from server.cache.semantic.embedders.base import EmbedderDown, Vector
from server.cache.semantic.measures import Measures
from server.cache.semantic.question import question_of
from server.cache.semantic.serve import Asked, Semantic
from server.cache.stores.base import Row
from server.cache.stores.memory import MemoryStore
from server.settings import Semantic as Settings

DIMENSIONS = 2048
PATH = "/v1/chat/completions"
ORIGIN = Origin(tenant="t", namespace="", model="m", weights="w", adapter="", template="", engine="e", persona="", policy="p")


class Angles:
    """An embedder that is told where each text lies: a direction (any number of them are orthogonal) and a cosine to it."""

    name = "angles"
    deadline = 0.5

    def __init__(self) -> None:
        self.places: dict[str, Vector] = {}
        self.delay: Callable[[], Any] | None = None
        self.down = False
        self.asked = 0

    def place(self, text: str, direction: int = 0, cosine: float = 1.0) -> str:
        """Texts at cosines a and b of one direction have the similarity cos(acos(a) - acos(b))."""
        vector = np.zeros(DIMENSIONS, np.float32)
        vector[2 * direction], vector[2 * direction + 1] = cosine, math.sqrt(1 - cosine * cosine)
        self.places[text] = vector
        return text

    async def open(self) -> None:
        pass

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        self.asked += 1
        if self.delay is not None:
            await self.delay()
        if self.down:
            raise EmbedderDown("the test says so")
        return [self.places[text] for text in texts]

    async def close(self) -> None:
        pass


def body_of(question: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"model": "m", "temperature": 0, "messages": [{"role": "user", "content": question}], **fields})


def answer_of(text: str, finish: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
    return msgspec.json.encode({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage})


@dataclass
class World:
    """`answers`: what the engine says to a question; by default the question in capitals. `luck`: the next random numbers, then 0.999."""

    settings: dict[str, Any] = field(default_factory=dict)
    embedder: Any = field(default_factory=Angles)
    answers: dict[str, str] = field(default_factory=dict)
    luck: list[float] = field(default_factory=list)
    verdict: Callable[[str], str] | None = None  # the judge's word on its prompt
    storage: Any = None
    random: Callable[[], float] | None = None

    def __post_init__(self) -> None:
        self.now = 1000.0
        self.entries: dict[bytes, Entry] = {}
        self.generated: list[tuple[str, bytes]] = []
        self.audited: list[tuple[str, bool, float]] = []
        self.busy = False
        self.storage = self.storage or MemoryStore(2**26, 1e9, lambda: self.now)
        self.registry = CollectorRegistry()
        settings = Settings(**{"mode": "serve", "threshold": 0.8, "audit_share": 0.0, **self.settings})
        self.semantic = Semantic(
            settings, self.embedder, self.storage, self.get, lambda key: key not in self.entries, self.generate,
            lambda name: not self.busy, Measures(self.registry), lambda *told: self.audited.append(told), lambda: self.now,
            self.random or (lambda: self.luck.pop(0) if self.luck else 0.999),
        )  # fmt: skip

    async def __aenter__(self) -> World:
        await self.storage.open()
        self.semantic.open()
        await self.semantic.settled()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.semantic.close()

    async def get(self, key: bytes) -> Entry | None:
        return self.entries.get(key)

    async def generate(self, name: str, path: str, body: bytes) -> bytes | None:
        self.generated.append((name, body))
        said = msgspec.json.decode(body)["messages"][-1]["content"]
        if name == "judge":
            assert self.verdict is not None
            return answer_of(self.verdict(said))
        return answer_of(self.says(said))

    def says(self, question: str) -> str:
        return self.answers.get(question, question.upper())

    def ask(self, question: str, origin: Origin = ORIGIN, **fields: Any) -> Asked | None:
        body = body_of(question, **fields)
        identity = identify(PATH, body, origin, question_of)
        assert isinstance(identity, Identity)
        return self.semantic.ask(identity, origin, "m", PATH, body)

    async def request(
        self, question: str, origin: Origin = ORIGIN, natural: bool = True, usable: Callable[[Entry], bool] = lambda _: True, **fields: Any
    ) -> str:
        """A request as the gateway treats it, after the exact look-up missed: the answer's text, `semantic: ` before a kept one."""
        asked = self.ask(question, origin, **fields)
        if asked is not None and (found := await self.semantic.find(asked, usable)) is not None:
            return "semantic: " + msgspec.json.decode(found.body)["choices"][0]["message"]["content"]
        if asked is not None:
            entry = Entry("chat", answer_of(self.says(question)), b"", b"", self.now, origin.model, origin.namespace, 3, 5, 0.5, natural)
            self.entries[asked.key] = entry
            self.storage.put(Row(asked.key, b"", origin.model, origin.namespace, self.now, 1e12))
            self.semantic.learn(asked, entry)
        await self.semantic.settled()
        return self.says(question)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def decided(self, decision: str) -> float:
        return self.metric("sllm_cache_semantic_decisions_total", model="m", decision=decision)
