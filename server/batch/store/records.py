"""What a file and a batch are."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

RUNNING = ("validating", "in_progress", "finalizing", "cancelling")
OVER = ("failed", "completed", "expired", "cancelled")


def new_id(prefix: str) -> str:
    """`file-...`, `batch_...`: 128 random bits."""
    return prefix + secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class File:
    """Times are seconds since 1970; `expires` None: never."""

    id: str
    created: int
    bytes: int
    name: str
    purpose: str
    expires: int | None = None
    tenant: str = ""

    def shown(self) -> dict[str, Any]:
        """OpenAI's file object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created,
            "expires_at": self.expires,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the engines count them."""

    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0

    def shown(self) -> dict[str, Any]:
        return {
            "input_tokens": self.input,
            "input_tokens_details": {"cached_tokens": self.cached},
            "output_tokens": self.output,
            "output_tokens_details": {"reasoning_tokens": self.reasoning},
            "total_tokens": self.input + self.output,
        }


@dataclass(frozen=True, slots=True)
class Counts:
    """How many lines a batch has, and how many of them have ended which way."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    usage: Usage = Usage()

    @property
    def whole(self) -> bool:
        return self.completed + self.failed >= self.total


@dataclass(frozen=True, slots=True)
class Problem:
    """One of a batch's `errors`. `line` is of the input file."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None

    def shown(self) -> dict[str, Any]:
        return {"code": self.code, "line": self.line, "message": self.message, "param": self.param}


@dataclass(frozen=True, slots=True)
class Batch:
    """`ending` is the status that a batch goes to which is about to end. `owner`: the worker that validates or finalises it.

    `fingerprint`: the input's size and mtime (nanoseconds) when it was validated.
    """

    id: str
    created: int
    endpoint: str
    input_file: str
    window: str
    expires: int
    status: str = "validating"
    ending: str | None = None
    owner: str | None = None
    model: str | None = None
    models: tuple[str, ...] = ()
    metadata: dict[str, str] | None = None
    errors: tuple[Problem, ...] = ()
    output_file: str | None = None
    error_file: str | None = None
    output_keep: int | None = None
    times: dict[str, int] = field(default_factory=dict)
    counts: Counts = Counts()
    fingerprint: tuple[int, int] | None = None
    tenant: str = ""

    @property
    def over(self) -> bool:
        return self.status in OVER

    def shown(self, counts: Counts | None = None, notes: tuple[Problem, ...] = ()) -> dict[str, Any]:
        """OpenAI's batch object. `counts` where they move; `notes`: what keeps it from going on now."""
        counts = counts or self.counts
        problems = (*self.errors, *notes)
        told = self.over  # the files are there only then
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "errors": {"object": "list", "data": [p.shown() for p in problems]} if problems else None,
            "input_file_id": self.input_file,
            "completion_window": self.window,
            "status": self.status,
            "output_file_id": self.output_file if told else None,
            "error_file_id": self.error_file if told else None,
            "created_at": self.created,
            "in_progress_at": self.times.get("in_progress"),
            "expires_at": self.expires,
            "finalizing_at": self.times.get("finalizing"),
            "completed_at": self.times.get("completed"),
            "failed_at": self.times.get("failed"),
            "expired_at": self.times.get("expired"),
            "cancelling_at": self.times.get("cancelling"),
            "cancelled_at": self.times.get("cancelled"),
            "request_counts": {"total": counts.total, "completed": counts.completed, "failed": counts.failed},
            "usage": counts.usage.shown(),
            "metadata": self.metadata,
        }
