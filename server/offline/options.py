"""What the flags of `sllm batch` say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from server.batch.base import ENDPOINTS
from server.batch.journal import Mode
from server.errors import UsageError


@dataclass(frozen=True)
class Options:
    """`out` None: with `check` only. `model`: what the engine runs; beside `url` the name for lines that name none."""

    input: Path
    out: Path | None = None
    model: str | None = None
    url: str | None = None
    ray: str | None = None
    ray_replicas: int | Literal["auto"] = "auto"
    serve_as: str | None = None
    api_key_env: str | None = None
    prompt: str | None = None
    system: str | None = None
    endpoint: str = ENDPOINTS[0]
    format: str | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    engine_args: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int | None = None
    retries: int | None = None
    cache: bool = True
    mode: Mode = "auto"
    retry_failed: bool = False
    check: bool = False
    configured: bool = False  # a configuration file was named
    as_json: bool = False

    def validate(self) -> None:
        """Raise UsageError for flags that do not go together."""
        if self.check:
            return
        if self.out is None:
            raise UsageError("name the output file too: `sllm batch IN.jsonl OUT.jsonl --model MODEL`")
        if not self.model and not self.url:
            raise UsageError("say who answers: --model MODEL runs an engine for the job, --url URL asks a server that runs")
        if self.url and self.ray:
            raise UsageError("--url and --ray do not go together: a server that runs needs no cluster")
        if self.ray_replicas != "auto" and not self.ray:
            raise UsageError("--ray-replicas is for --ray ADDRESS: name the cluster too")
        if self.url and self.engine_args:
            raise UsageError("engine flags after -- are for --model: the engine behind --url is somebody else's")
        if self.url and self.serve_as:
            raise UsageError("--as is for --model: at --url the server decides what its models are called")


def body_fields(said: Sequence[str]) -> dict[str, Any]:
    """`--set temperature=0 --set stop='["\\n"]'` as fields of a body: a value that is JSON is taken as such, else as a text."""
    found: dict[str, Any] = {}
    for word in said:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {word}: write NAME=VALUE, such as --set max_tokens=256")
        try:
            found[name] = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            found[name] = value
    return found


def mode(resume: bool, restart: bool) -> Mode:
    """Raises UsageError where both are given."""
    if resume and restart:
        raise UsageError("--resume goes on and --restart begins anew: choose one")
    return "resume" if resume else "restart" if restart else "auto"


def replicas(said: str) -> int | Literal["auto"]:
    """Raises UsageError."""
    if said == "auto":
        return "auto"
    if not said.isdecimal() or not int(said):
        raise UsageError(f"--ray-replicas {said}: write a number from 1 up, or auto")
    return int(said)
