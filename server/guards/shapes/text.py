"""One text of an answer on its way through its passage."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from server.guards.passage import Kind, Open

if TYPE_CHECKING:
    from server.guards.shapes.tokens import Tape


class Text:
    """Pieces in, what may be shown out. Halves of a surrogate pair that come in two pieces are put together first.

    With a `tape` what goes in is noted there, for the logprobs of its tokens.
    """

    __slots__ = ("_carry", "_cuts", "_last", "_marks", "_shown", "fed", "finished", "out", "passage", "tape")

    def __init__(self, open_: Open, place: str, kind: Kind = "text", tape: Tape | None = None) -> None:
        self.passage = open_(place, kind)
        self.tape = tape
        self.fed = 0  # characters
        self.out = 0
        self.finished = False
        self._carry = ""
        self._marks: tuple[list[int], list[int]] | None = None  # (released, out) after each step that let something go
        self._shown: dict[int, str] = {}  # what such steps gave out that decided several cuts, by their number
        self._cuts = 0  # so far
        self._last = 0  # where in what went out the last character stood that `shift` was asked of

    @property
    def blocked(self) -> bool:
        return self.passage.blocked

    @property
    def held(self) -> bool:
        """Whether something of it has neither been given out nor been cut."""
        return not self.finished and (self.fed > self.passage.released or bool(self._carry))

    async def feed(self, piece: str) -> str:
        if self._carry:
            piece = _paired(self._carry + piece)
            self._carry = ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            self._carry = piece[-1]
            piece = piece[:-1]
        if not piece:
            return ""
        self.fed += len(piece)
        if self.tape is not None:
            self.tape.add(self, piece)
        return self._note(await self.passage.feed(piece))

    async def finish(self) -> str:
        """The rest. Nothing where it is finished already."""
        if self.finished:
            return ""
        out = ""
        if self._carry:
            piece, self._carry = self._carry, ""
            self.fed += 1
            if self.tape is not None:
                self.tape.add(self, piece)
            out = self._note(await self.passage.feed(piece))
        self.finished = True
        if self.blocked:
            return out
        return out + self._note(await self.passage.finish())

    def _note(self, out: str) -> str:
        self.out += len(out)
        if self._marks is None:
            return out
        released, outs = self._marks
        if self.passage.released > released[-1]:
            cuts = len(self.passage.cuts)
            if cuts - self._cuts > 1:
                self._shown[len(released)] = out
            self._cuts = cuts
            released.append(self.passage.released)
            outs.append(self.out)
        return out

    def track(self) -> None:
        """From now on `shift` can be asked, of what has not been released yet."""
        if self._marks is None:
            self._marks = ([self.passage.released], [self.out])
            self._cuts = len(self.passage.cuts)

    def shift(self, at: int, token: str) -> int:
        """How much further on `token`, which came in at `at`, stands in what went out; less than nothing: further back.

        Passages do not say how long what stands for a cut is. Between two cuts that were decided in the same step the token
        is looked for behind the one that was asked of before.
        """
        assert self._marks is not None
        released, outs = self._marks
        step = max(1, bisect_right(released, at))
        if step == len(released) or not self._cut_between(released[step - 1], at):
            shift = outs[step - 1] - released[step - 1]
        elif step in self._shown and self._cut_between(at, released[step]):
            begin = outs[step] - len(self._shown[step])
            found = self._shown[step].find(token, max(0, self._last - begin))
            shift = begin + found - at if found >= 0 else outs[step - 1] - released[step - 1]
        else:
            shift = outs[step] - released[step]
        self._last = at + shift + len(token)
        return shift

    def _cut_between(self, start: int, end: int) -> bool:
        cuts = self.passage.cuts
        last = bisect_left(cuts, (end, -1)) - 1
        return last >= 0 and cuts[last][1] > start

    def cut(self, start: int, end: int) -> bool:
        """Whether something of [start, end) was cut; of an empty span, whether it lies inside a cut."""
        return self._cut_between(start, max(end, start))


def _paired(text: str) -> str:
    """`text` with a high and a low surrogate at its beginning made one character."""
    if len(text) > 1 and "\udc00" <= text[1] <= "\udfff":
        return chr(0x10000 + ((ord(text[0]) - 0xD800) << 10) + (ord(text[1]) - 0xDC00)) + text[2:]
    return text
