"""Which token stands where in a text, so that logprobs tell no more than the text does.

An entry goes out once its characters have, and is dropped where a guard cut one of them. Tokens are found by their text,
one after the other. A token whose text is not in the answer's text was not judged and is dropped: what a parser took
away, thoughts that are not shown, what a stop text cut off, the form of tool calls, ids in place of texts
(`return_tokens_as_token_ids`). Kept are tokens that tell nothing: marks of the model such as `<|im_end|>`, and bytes of a
character that has several tokens, which share the fate of that character.

Other candidates for a kept token (`top_logprobs`) are kept with it.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

from server.guards.shapes.events import Unreadable
from server.guards.shapes.text import Text

MAX_AHEAD = 2**20  # characters of a stream's text without tokens; tokens that come later than that are dropped
WILD = 8  # characters that one token may stand for which holds a broken character

_MARK = re.compile(r"<\|?/?[A-Za-z_\u2581][A-Za-z_\u2581:-]*[0-9]{0,3}\|?>|\[/?[A-Z_]+\]")

Span = tuple[Text, int, int]


class Tape:
    """What tokens are looked for in: the texts of one answer, in the order in which they came.

    At most `limit` characters wait for tokens; none: as many as come.
    """

    def __init__(self, limit: int | None = MAX_AHEAD) -> None:
        self._limit = limit
        self._pieces: list[str] = []
        self._size = 0  # of all pieces
        self._buffer = ""
        self._at = 0  # in the buffer
        self._base = 0  # where on the tape the buffer begins
        self._end = 0
        self._segments: deque[tuple[int, Text, int]] = deque()  # (where on the tape, a text, how much of it was before)
        self.lost = False

    def add(self, text: Text, piece: str) -> None:
        """`piece` comes next; it was counted in `text.fed`."""
        if self.lost:
            return
        if not self._segments or self._segments[-1][1] is not text:
            self._segments.append((self._end, text, text.fed - len(piece)))
        self._pieces.append(piece)
        self._size += len(piece)
        self._end += len(piece)
        if self._limit is not None and self._size > self._limit:
            self.lost = True
            self._pieces.clear()

    @classmethod
    def of(cls, text: Text, value: str) -> Tape:
        """Of a text that went through its passage before."""
        tape = cls(limit=None)
        tape._segments.append((0, text, 0))
        tape._pieces.append(value)
        tape._end = len(value)
        return tape

    def load(self) -> None:
        """Make what was added known to the methods below."""
        if self._pieces:
            self._base += self._at
            self._buffer = self._buffer[self._at :] + "".join(self._pieces)
            self._at = self._size = 0
            self._pieces.clear()

    def starts_with(self, text: str) -> bool:
        return self._buffer.startswith(text, self._at)

    def starts(self, text: str) -> bool:
        """Whether all that is left begins `text`."""
        left = len(self._buffer) - self._at
        return left < len(text) and self._buffer.startswith(text[:left], self._at)

    def find(self, text: str, within: int) -> int:
        """How far ahead `text` begins, at most `within` characters; -1."""
        found = self._buffer.find(text, self._at, self._at + within + len(text))
        return found - self._at if found >= 0 else -1

    @property
    def left(self) -> int:
        return len(self._buffer) - self._at

    def ahead(self, size: int) -> str:
        return self._buffer[self._at : self._at + size]

    def take(self, size: int) -> list[Span]:
        """Where the next `size` characters stand; of none, where the next one would."""
        start = self._base + self._at
        end = start + size
        self._at += size
        while len(self._segments) > 1 and self._segments[1][0] <= start:
            self._segments.popleft()
        spans = []
        for index, (begin, text, before) in enumerate(self._segments):
            if begin > start and begin >= end:
                break
            until = self._segments[index + 1][0] if index + 1 < len(self._segments) else end
            spans.append((text, before + max(start, begin) - begin, before + min(end, until) - begin))
        return spans


def token_of(entry: Any) -> str:
    """The text of an entry's token; with U+FFFD where its bytes are no whole characters. Raises Unreadable."""
    token = entry.get("token") if isinstance(entry, dict) else None
    if not isinstance(token, str):
        raise Unreadable("logprobs without a token")
    if token.startswith(("bytes:", "\\x")) and isinstance(entry.get("bytes"), list):
        try:
            return bytes(entry["bytes"]).decode(errors="replace")
        except (TypeError, ValueError):
            raise Unreadable("a token whose bytes are none") from None
    return token


class Tokens:
    """The entries of one list of logprobs. `add` them, then `ready` gives those that may go out."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.dropped = 0
        self._waiting: deque[tuple[str, Any]] = deque()  # not found yet
        self._wild: list[tuple[str, Any]] = []  # before it, tokens that stand for what is found next
        self._found: deque[tuple[Any, list[Span]]] = deque()

    def add(self, token: str, entry: Any) -> None:
        """`token` is its text; with U+FFFD where it is not whole characters."""
        self._waiting.append((token, entry))

    @property
    def pending(self) -> bool:
        return bool(self._waiting or self._wild or self._found)

    def ready(self, last: bool = False) -> list[tuple[Any, list[Span]]]:
        """Entries whose text is out and not cut, and where they stand. `last`: nothing more will come."""
        self._find(last)
        out = []
        while self._found:
            entry, spans = self._found[0]
            if any(text.passage.released < end for text, _, end in spans):
                if not last:
                    break
                self.dropped += 1
            elif any(text.cut(start, end) for text, start, end in spans):
                self.dropped += 1
            else:
                out.append((entry, spans))
            self._found.popleft()
        return out

    def _find(self, last: bool) -> None:
        tape, waiting = self.tape, self._waiting
        tape.load()
        while waiting:
            token, entry = waiting[0]
            if not token:
                self._wild.append(waiting.popleft())
            elif tape.starts_with(token):
                spans = tape.take(len(token))
                self._settle(token, spans)
                self._found.append((entry, spans))
                waiting.popleft()
            elif tape.starts(token) and not last:
                return
            elif "\ufffd" in token:
                self._wild.append(waiting.popleft())
            else:
                within = WILD * len(self._wild)
                ahead = tape.find(token, within) if within else -1
                if ahead > 0:
                    self._settle(tape.ahead(ahead), tape.take(ahead))
                    self._found.append((entry, tape.take(len(token))))
                    waiting.popleft()
                elif within and tape.left < within + len(token) and not last:
                    return
                elif _MARK.fullmatch(token):
                    self._found.append((entry, tape.take(0)))
                    waiting.popleft()
                else:
                    waiting.popleft()
                    self.dropped += 1
        if last:
            self._settle("", tape.take(0))

    def _settle(self, said: str, spans: list[Span]) -> None:
        """The broken tokens so far stand for `said`, at `spans`."""
        for token, entry in self._wild:
            if all(part in said for part in token.split("\ufffd")):
                self._found.append((entry, spans))
            else:
                self.dropped += 1
        self._wild.clear()
