"""The model's name -> engine, adapter, persona; and the little of the body that must change for it."""

from __future__ import annotations

import time

from server.errors import EngineUnavailable, InvalidRequest
from server.gateway import persona
from server.gateway.body import fields_of, join, raw
from server.gateway.call import Call
from server.gateway.catalogue import Catalogue, Engine, Target
from server.state import Phase

STREAMS_WITH_OPTIONS = ("/v1/chat/completions", "/v1/completions")


class Resolve:
    """Raises UnknownModel, InvalidRequest, EngineUnavailable."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.targets = catalogue.targets

    def __call__(self, call: Call) -> None:
        target = self.targets.get(call.model) if call.model is not None else self._the_only(call)
        if target is None:
            raise self.catalogue.unknown(call.model or "")
        call.target = target
        if not target.engine.ready:
            raise unavailable(target.engine)
        if target.persona is not None:
            call.body = persona.apply(target.persona, target.name, call.path, call.body)
        elif call.model is None:
            call.body = persona.rename(call.body, target.name)
        if call.stream and target.engine.ours and not call.include_usage and call.path in STREAMS_WITH_OPTIONS:
            call.strip_usage = True  # what engines of others send passes as it came
            call.body = _ask_for_usage(call)

    def _the_only(self, call: Call) -> Target:
        if self.catalogue.only is None:
            names = ", ".join(f"'{n}'" for n in self.targets)
            raise InvalidRequest(f"'model' is missing: write one of {names}.", param="model", code="missing_model")
        return self.catalogue.only


def _ask_for_usage(call: Call) -> bytes:
    """The body with `stream_options.include_usage`, so that every stream tells its tokens.

    vLLM's own flag for this (--enable-force-include-usage) also puts the usage into every chunk, which clients
    that add usage up count many times over.
    """
    body = call.body
    if not call.has_stream_options:  # the client's bytes stay as they are, one field goes before them
        brace = body.index(b"{") + 1
        return body[:brace] + b'"stream_options":{"include_usage":true},' + body[brace:]
    fields = fields_of(body)
    fields["stream_options"] = raw({"include_usage": True})
    return join(fields)


def unavailable(engine: Engine) -> EngineUnavailable:
    """The error for an engine that takes no requests, with its phase and how long it has been there."""
    seconds = max(0, int(time.time() - engine.since))
    detail = f": {engine.detail}" if engine.detail else ""
    if engine.phase is Phase.FAILED:
        return EngineUnavailable(f"model '{engine.name}' failed to start{detail}", retry_after=60, code="engine_failed")
    return EngineUnavailable(f"model '{engine.name}' is {engine.phase.value} ({seconds} s){detail}: try again, or watch GET /ready")
