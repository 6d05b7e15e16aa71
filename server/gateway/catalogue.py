"""What can be called as a `model`: served models, their adapters, personas."""

from __future__ import annotations

import time
from typing import Any

from server.batch.share import Lane
from server.cache.identity import Origin
from server.errors import UnknownModel
from server.gateway.upstream.balance import Balancer, Upstream
from server.nearest import nearest
from server.settings import Model, Persona, Settings
from server.state import Phase


class Engine:
    """A served model and where it stands. `balancer` is None until its address is known."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.root = model.path or model.name
        self.ours = not model.upstreams  # started by us, so its flags are known
        self.balancer: Balancer | None = None
        self.takes_priority = False  # it schedules by the requests' `priority`
        self.lane: Lane | None = None  # told of interactive requests, so that batch work makes room
        self.phase = Phase.RESOLVING if self.ours else Phase.READY
        self.since = time.time()
        self.detail = ""
        self.address = ""
        self.max_model_len = model.max_model_len if isinstance(model.max_model_len, int) else 0
        self.last_token = 0.0
        self.quantization: dict[str, Any] | None = None
        self.version = ""
        self.weights = ""  # digests; "": not known
        self.template = ""
        self.adapters: dict[str, str] = {}
        self.ready = not self.ours

    @property
    def upstreams(self) -> list[Upstream]:
        return self.balancer.upstreams if self.balancer else []


class Target:
    """What a name stands for: an engine, the model name sent to it, and perhaps a persona.

    `origin` is what answers are kept under; None: it is not known, or the cache is off.
    """

    __slots__ = ("answers_as", "engine", "header", "name", "origin", "persona")

    def __init__(self, name: str, engine: Engine, answers_as: str, persona: Persona | None = None) -> None:
        self.name = name
        self.engine = engine
        self.answers_as = answers_as  # the served model or adapter
        self.persona = persona
        self.header = (b"x-sllm-model", _header_value(answers_as))
        self.origin: Origin | None = None


class Catalogue:
    """All targets by name, in the order of the configuration."""

    def __init__(self, settings: Settings) -> None:
        self.started = int(time.time())
        self.engines = {model.name: Engine(model) for model in settings.models}
        self.targets: dict[str, Target] = {}
        for model in settings.models:
            engine = self.engines[model.name]
            self.targets[model.name] = Target(model.name, engine, model.name)
            for adapter in model.adapters:
                self.targets[adapter] = Target(adapter, engine, adapter)
        for name, persona in settings.personas.items():
            base = self.targets[persona.model]
            self.targets[name] = Target(name, base.engine, base.name, persona)
        self.adapters = {name: path for model in settings.models for name, path in model.adapters.items()}
        self.only = next(iter(self.targets.values())) if len(settings.models) == 1 else None

    def unknown(self, name: str) -> UnknownModel:
        """The error for a name that nobody has, the nearest one first."""
        known = list(self.targets)
        near = nearest(name, known)
        if near:
            known.sort(key=lambda other: other != near)
        listed = ", ".join(f"'{k}'" for k in known[:20]) + (", ..." if len(known) > 20 else "")
        shown = name if len(name) <= 100 else name[:100] + "..."
        return UnknownModel(f"The model '{shown}' does not exist here. Known: {listed}. GET /v1/models lists them.", param="model")

    def card(self, name: str) -> dict[str, Any]:
        """The model object as OpenAI and vLLM write it. Raises UnknownModel."""
        target = self.targets.get(name)
        if target is None:
            raise self.unknown(name)
        engine = target.engine
        if target.persona:
            root, parent = target.answers_as, target.answers_as
        elif name in self.adapters:
            root, parent = self.adapters[name], engine.name
        else:
            root, parent = engine.root, None
        return {
            "id": name,
            "object": "model",
            "created": self.started,
            "owned_by": "sllm",
            "root": root,
            "parent": parent,
            "max_model_len": engine.max_model_len or None,
            "quantization": engine.quantization,
            "engine": f"vllm {engine.version}" if engine.version else None,
        }

    def cards(self) -> dict[str, Any]:
        return {"object": "list", "data": [self.card(name) for name in self.targets]}


def _header_value(name: str) -> bytes:
    """`name` as a header value: what is not printable ASCII is written as UTF-8 percent escapes."""
    from urllib.parse import quote

    return quote(name, safe="!#$&'()*+,/:;=?@[]~ ").encode("ascii")
