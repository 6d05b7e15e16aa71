"""One complete answer as it was read: what an entry is made of."""

from __future__ import annotations

from typing import Any

import msgspec

from server.cache.entry import Kind

# What reading an answer of a form that nobody foresaw may raise: such an answer passes, and is not kept.
ODD = (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError, ValueError, AttributeError, LookupError)
CUT = frozenset(("abort", "error", "content_filter", "cancelled"))  # reasons to end that leave no answer to keep


class Recorded(msgspec.Struct, frozen=True):
    """A complete answer. `body`, `events` and `usage_event` are those of Entry."""

    kind: Kind
    body: bytes
    events: bytes
    usage_event: bytes
    prompt_tokens: int
    completion_tokens: int
    natural_end: bool
    typed: tuple[float, ...] = ()


class Merged(msgspec.Struct):
    """What the chunks of a stream of choices say together."""

    top: dict[str, Any]  # fields beside the choices and the usage
    choices: dict[int, dict[str, Any]]  # by index, their deltas merged
    usage: Any
    events: bytes  # without the usage chunk and [DONE]
    usage_event: bytes


class Usage(msgspec.Struct):
    """Token counts as chat, completions and embeddings name them, and as responses do."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    @property
    def counts(self) -> tuple[int, int]:
        """(prompt tokens, completion tokens)."""
        return self.prompt_tokens or self.input_tokens or 0, self.completion_tokens or self.output_tokens or 0


def counts(usage: Any) -> tuple[int, int]:
    """The same of a decoded usage object; zeros where it is none."""
    try:
        return msgspec.convert(usage, Usage).counts
    except msgspec.ValidationError:
        return 0, 0


def ended(choice: dict[str, Any]) -> bool:
    """Whether a choice is complete: it has a reason to end, which is neither a failure nor a filter."""
    return choice.get("finish_reason") is not None and choice["finish_reason"] not in CUT


def natural(choice: dict[str, Any]) -> bool:
    """Whether a choice stopped by itself: not at a limit or a stop text, and with nothing but an answer to read."""
    message = choice.get("message") or {}
    return (
        choice.get("finish_reason") == "stop"
        and not isinstance(choice.get("stop_reason"), str)
        and not any(message.get(name) for name in ("tool_calls", "function_call", "refusal", "audio"))
    )
