"""What the supervisor knows about its engines, for the gateway workers: one small JSON file.

The supervisor writes it aside and renames it, so a reader never sees half a file.
"""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

HOPELESS = 78  # exit code of a gateway worker that would end again however often it is started (EX_CONFIG of sysexits.h)


class Phase(StrEnum):
    """Where an engine stands. Only READY takes requests."""

    RESOLVING = "resolving"  # finding or downloading the checkpoint
    LOADING = "loading"  # the process runs, its server does not answer yet
    WARMING_UP = "warming up"  # it answers; the first token has not come
    READY = "ready"
    RESTARTING = "restarting"  # died or stalled; waiting to start again
    FAILED = "failed"  # given up; `detail` says why and what to change
    STOPPED = "stopped"


class EngineState(msgspec.Struct, frozen=True):
    """One engine. `address` is `unix:/path.sock` or `http://host:port`; `since` is Unix time, seconds."""

    model: str
    phase: Phase
    since: float
    detail: str = ""
    address: str = ""
    pid: int = 0
    restarts: int = 0
    task: str = "generate"
    takes_priority: bool = False  # requests may carry `priority`
    slots: int = 0  # requests that it runs at a time; 0: not known
    max_model_len: int = 0
    last_token: float = 0.0  # Unix time of the last progress seen
    engine_version: str = ""
    quantization: dict[str, Any] | None = None  # what /v1/models says of it
    weights: str = ""  # digest of what is loaded; "": not known yet, so nothing may be answered from the cache
    template: str = ""  # digest of the chat template and the other small files that shape prompts and answers
    adapters: dict[str, str] = {}  # each adapter's digest


class StackState(msgspec.Struct, frozen=True):
    engines: dict[str, EngineState] = {}
    draining: bool = False
    written: float = 0.0


def write_state(path: Path, state: StackState) -> None:
    """Replace the file at `path` by `state`, at once."""
    state = msgspec.structs.replace(state, written=time.time())
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    aside.write_bytes(msgspec.json.encode(state))
    os.replace(aside, path)


def read_state(path: Path) -> StackState | None:
    """The state at `path`, or None while there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackState)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
