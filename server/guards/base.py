"""What guards are made of, and what they say.

A guard is one of two things:

- a **detector** judges text alone, by rule, at once: it finds places (`pattern`, `pii`, `secrets`, `length` of an answer).
  A stream that it judges is the same to the byte as the whole answer would be (hold.py).
- a **judge** needs more: a model, an embedder, the whole request (`classifier`, `similarity`, `llm`, `nemo`, `json_schema`,
  `length` of a request). It says what it thinks of a text, and is awaited.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from server.guards.view import View

Side = Literal["input", "output"]
Language = Literal["ko", "en"]
Said = Literal["pass", "warn", "redact", "block", "reask", "error"]
Window = Literal["sentences", "whole"]  # how much of an answer a judge reads at once


class GuardDown(Exception):
    """A judge has no judgement: its model does not answer, or answers nonsense. What follows is the guard's `on_error`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A place in a text: characters [start, end) of the text as it came. `category` is bounded: it is a label of metrics."""

    start: int
    end: int
    category: str
    score: float = 1.0


class Detector(Protocol):
    """Judges text by rule. Pure: the same text, the same findings, in any process."""

    reach: int  # the longest text, in characters, that a stream is held back for it; what `sllm guard check` shows
    context: int  # characters before a finding that it looks at

    def find(self, view: View, start: int = 0) -> list[Finding]:
        """Findings that begin at or after `start` of `view.raw`, in order, none over another. What is before `start` is only context."""

    def alive(self, view: View, start: int = 0) -> int:
        """From which character of `view.raw` on a finding could still begin, end later or vanish, whatever text follows.

        `len(view.raw)`: nothing is open. All findings that end before it are final; none of them reaches over it.
        """


@dataclass(frozen=True, slots=True)
class Piece:
    """One text of a request or an answer. `place` is its path: `messages[0].content`; `role` who said it."""

    text: str
    place: str = ""
    role: str = "user"
    before: str = ""  # what of the answer came before: judged already, here for its meaning


@dataclass(frozen=True, slots=True)
class Context:
    """What a judge may know besides. `request` is the decoded body, as the client sent it or with personal data cut out."""

    side: Side = "input"
    model: str = ""
    path: str = ""
    language: Language = "en"
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`flagged`: the guard's action is due, or `action` where the judge chooses it by label. `categories`: name -> score, 0 to 1.

    `why` is for logs and for the model that is asked again; it holds no text of the user's. `place`: of the piece that was found.
    """

    flagged: bool
    categories: Mapping[str, float] = field(default_factory=dict)
    why: str = ""
    place: str = ""
    action: Literal["block", "warn"] | None = None


class Judge(Protocol):
    """Judges with help. Raises GuardDown, or anything: the guard's `on_error` decides then. Timeouts are the caller's."""

    window: Window
    parallel: bool  # on inputs: may run beside the generation

    async def open(self) -> None:
        """Load what is needed. Raises StartError with a sentence that says what is missing and what to type."""

    async def judge(self, pieces: Sequence[Piece], context: Context) -> Judgement:
        """Of a request: all its texts. Of an answer: one piece, the next sentences or all of it."""

    async def close(self) -> None: ...


Ask = Callable[[str, str, bytes], Awaitable[bytes | None]]  # a served model's name, path, body -> the whole answer, or None
Count = Callable[[str, str], Awaitable[int | None]]  # a served model's name, a text -> its tokens, or None


@dataclass(frozen=True, slots=True)
class Tools:
    """What the gateway lends to guards; on the command line some are missing."""

    ask: Ask | None = None
    count: Count | None = None
    embedder: Callable[[Any], Any] | None = None  # a Similarity section -> an embedder of server/cache/semantic/embedders
    served: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guard said of one request or answer."""

    guard: str
    said: Said
    side: Side
    categories: Mapping[str, float] = field(default_factory=dict)
    place: str = ""
    why: str = ""
    seconds: float = 0.0
    findings: int = 0
