"""One text on its way: what every guard does to it, piece by piece or whole.

    text -> detectors (hold.py) -> judges, sentence by sentence -> judges of the whole -> what was taken out comes back -> out

Detectors read the text as it came. Judges read it with that cut out. A value that was taken out of the request on
its way in (`form: reversible`) is put back last, so that no guard of the answer sees it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from server.guards.base import Context, Finding, GuardDown, Judgement, Piece, Said, Side, Verdict
from server.guards.careful import Careful, GuardFailed

if TYPE_CHECKING:
    from server.guards.hold import Bound, Hold
    from server.guards.policy import Guard
    from server.guards.redact import Restorer
    from server.guards.sentences import Sentences

Kind = Literal["text", "reasoning", "arguments"]  # `arguments`: JSON as the model wrote it
AT_ONCE = 8  # sentences that are judged at the same time
WORST: tuple[Said, ...] = ("pass", "warn", "redact", "reask", "block", "error")
SLICE = 4 * 1024  # characters judged before others have their turn


class Passage(Protocol):
    """Text in, text out that may be shown. Whatever the pieces, the pieces that come out make the same text."""

    blocked: bool  # nothing more will come; what was judged good before it has come out
    refusal: str  # what the client is told then
    released: int  # characters of what came in that have been given out, or cut
    cuts: Sequence[tuple[int, int]]  # [start, end) of what came in that was taken out or replaced

    async def feed(self, text: str) -> str: ...

    async def finish(self) -> str:
        """The rest, at the end of the text."""


Open = Callable[[str, Kind], Passage]  # a place (`choices[0].message.content`), its kind -> its passage


class Reask(Exception):
    """The answer is to be made again; `why` is for the model."""

    def __init__(self, guard: Guard, why: str, answer: str) -> None:
        super().__init__(why)
        self.guard = guard
        self.why = why
        self.answer = answer


class Trail:
    """What the guards said of one request and its answer; the worst of each counts.

    `told` gets each verdict, `took` (guard, seconds) for each text that a detector has read.
    """

    def __init__(self, told: Callable[[Verdict], None], took: Callable[[str, float], None] | None = None) -> None:
        self.told = told
        self.took = took
        self.said: dict[str, Said] = {}
        self.sides: set[Side] = set()  # on which something was found, or failed
        self.categories: dict[str, float] = {}

    def told_of(self) -> str:
        """`name=said` of every guard that had something to say."""
        return ",".join(f"{guard}={said}" for guard, said in self.said.items() if said != "pass")

    def read(self, careful: Careful) -> None:
        """A detector has read its text to the end."""
        guard = careful.guard
        if self.took is not None:
            self.took(guard.name, careful.seconds)
        if not careful.found and not careful.down:
            self.told(Verdict(guard.name, "pass", guard.side))

    def seen(self, guard: str) -> None:
        self.said.setdefault(guard, "pass")

    def add(self, verdict: Verdict) -> None:
        self.told(verdict)
        if verdict.said != "pass":
            self.sides.add(verdict.side)
        before = self.said.get(verdict.guard, "pass")
        self.said[verdict.guard] = max(before, verdict.said, key=WORST.index)
        for category, score in verdict.categories.items():
            self.categories[category] = max(score, self.categories.get(category, 0.0))


async def ask_judges(guards: Sequence[Guard], pieces: Sequence[Piece], context: Context, trail: Trail) -> tuple[Guard, Judgement] | None:
    """What the first guard of the list says that wants the text blocked or made again. Judges run at the same time. Raises GuardFailed."""
    if len(guards) == 1:  # no task for one: the loop would go around once more
        judgements = [await _ask(guards[0], pieces, context, trail)]
    else:
        judgements = await asyncio.gather(*(_ask(guard, pieces, context, trail) for guard in guards))
    for guard, judgement in zip(guards, judgements, strict=True):
        if judgement is not None and judgement.flagged and (judgement.action or guard.settings.action) in ("block", "reask"):
            return guard, judgement
    return None


async def _ask(guard: Guard, pieces: Sequence[Piece], context: Context, trail: Trail) -> Judgement | None:
    assert guard.judge is not None
    trail.seen(guard.name)
    began = time.perf_counter()
    why = "it took too long"
    try:
        async with asyncio.timeout(guard.settings.timeout):
            judgement = await guard.judge.judge(pieces, context)
    except TimeoutError:
        pass
    except GuardDown as down:
        why = str(down)
    except Exception as error:
        why = type(error).__name__
        logging.getLogger("sllm").error("guard %s failed on the %s: %s", guard.name, context.side, why)
    else:
        said: Said = "pass"
        if judgement.flagged:
            action = judgement.action or guard.settings.action
            said = action if action != "redact" else "block"
        trail.add(
            Verdict(
                guard.name, said, context.side, judgement.categories, judgement.place, judgement.why, time.perf_counter() - began,
                int(judgement.flagged),
            )
        )  # fmt: skip
        return judgement
    trail.add(Verdict(guard.name, "error", context.side, why=why, seconds=time.perf_counter() - began))
    if guard.settings.on_error == "closed":
        raise GuardFailed(guard.name)
    return None


class TextPassage:
    """A Passage through the guards of one side."""

    blocked = False
    refusal = ""

    def __init__(
        self,
        guards: Sequence[Guard],
        bounds: Sequence[Bound],
        context: Context,
        trail: Trail,
        refuse: Callable[[Guard], str],
        place: str,
        restorer: Restorer | None,
    ) -> None:
        self.context = context
        self.trail = trail
        self.refuse = refuse
        self.place = place
        self.by_name = {guard.name: guard for guard in guards}
        self.hold = _hold(bounds, context.side) if bounds else None
        self.careful = [bound.detector for bound in bounds if isinstance(bound.detector, Careful)]
        judges = [guard for guard in guards if guard.judge is not None]
        self.by_sentence = [guard for guard in judges if guard.judge is not None and guard.judge.window == "sentences"]
        self.of_whole = [guard for guard in judges if guard.judge is not None and guard.judge.window == "whole"]
        self.window = max((getattr(guard.settings, "window", 0) for guard in self.by_sentence), default=0)
        self.sentences = _sentences() if self.by_sentence else None
        self.restorer = restorer
        self.took = 0  # characters that came in
        self.out = 0  # that came out of the hold
        self.judged = 0  # of these, that judges have let go
        self.marks: deque[tuple[int, int]] = deque()  # (out, raw offset released by then), rising
        self.before = ""
        self.whole: list[str] = []
        self.cuts: Sequence[tuple[int, int]] = ()
        self.released = 0
        self.seen = 0  # findings told
        self.ended = False

    async def feed(self, text: str) -> str:
        if self.blocked or self.ended or not text:
            return ""
        if len(text) <= SLICE:
            return await self._feed(text)
        out = []
        for start in range(0, len(text), SLICE):
            out.append(await self._feed(text[start : start + SLICE]))
            await asyncio.sleep(0)
        return "".join(out)

    async def finish(self) -> str:
        if self.blocked or self.ended:
            return ""
        self.ended = True
        text = self.hold.finish() if self.hold is not None else ""
        return await self._judge(text, last=True)

    async def _feed(self, text: str) -> str:
        if self.blocked:
            return ""
        self.took += len(text)
        if self.hold is not None:
            text = self.hold.feed(text)
        return await self._judge(text, last=False)

    async def _judge(self, text: str, last: bool) -> str:
        """What may be shown of what the detectors have let go. Raises GuardFailed, Reask."""
        blocked_by = self._note()
        last = last or blocked_by is not None
        self.out += len(text)
        if self.sentences is not None or self.of_whole:
            self.marks.append((self.out, self.hold.released if self.hold is not None else self.took))
        if self.sentences is not None:
            text = await self._in_sentences(self.sentences, text, last)
        if self.of_whole and not self.blocked:
            text = await self._whole(text, last and blocked_by is None)
            if blocked_by is not None:
                text = ""  # a part of a whole that will not come
        self._release(text)
        if self.restorer is not None:
            text = self.restorer.feed(text)
            if last or self.blocked:
                text += self.restorer.finish()
        if blocked_by is not None and not self.blocked:
            self._block(blocked_by)
        return text

    async def _in_sentences(self, sentences: Sentences, text: str, last: bool) -> str:
        parts = sentences.feed(text)
        if last:
            parts += sentences.finish()
        pieces: list[Piece] = []
        for part in parts:
            pieces.append(Piece(part, self.place, "assistant", self.before))
            if self.window:
                self.before = (self.before + part)[-self.window :]
        shown: list[str] = []
        for start in range(0, len(pieces), AT_ONCE):
            batch = pieces[start : start + AT_ONCE]
            said = await asyncio.gather(*(self._ask(piece) for piece in batch))
            for piece, found in zip(batch, said, strict=True):
                if found is not None:
                    self._block(found[0])
                    return "".join(shown)
                shown.append(piece.text)
        return "".join(shown)

    async def _ask(self, piece: Piece) -> tuple[Guard, Judgement] | None:
        if not piece.text.strip():
            return None
        return await ask_judges(self.by_sentence, [piece], self.context, self.trail)

    async def _whole(self, text: str, last: bool) -> str:
        self.whole.append(text)
        if not last:
            return ""
        text = "".join(self.whole)
        found = await ask_judges(self.of_whole, [Piece(text, self.place, "assistant")], self.context, self.trail)
        if found is None:
            return text
        guard, judgement = found
        if guard.settings.action == "reask":
            raise Reask(guard, judgement.why, text)
        self._block(guard)
        return ""

    def _note(self) -> Guard | None:
        """Tell what the detectors found since. Gives the guard that blocks."""
        if self.hold is None:
            return None
        if self.ended or self.hold.blocked is not None:
            for careful in self.careful:
                self.trail.read(careful)
        for name, finding in self.hold.found[self.seen :]:
            self.trail.add(verdict(self.by_name[name], finding, self.place))
        self.seen = len(self.hold.found)
        self.cuts = self.hold.cuts
        return self.by_name[self.hold.blocked[0]] if self.hold.blocked is not None else None

    def _release(self, text: str) -> None:
        if self.sentences is None and not self.of_whole:
            self.released = self.hold.released if self.hold is not None else self.took
            return
        self.judged += len(text)
        while self.marks and self.marks[0][0] <= self.judged:
            self.released = self.marks.popleft()[1]

    def _block(self, guard: Guard) -> None:
        self.blocked = True
        self.refusal = self.refuse(guard)


def verdict(guard: Guard, finding: Finding, place: str) -> Verdict:
    return Verdict(guard.name, guard.settings.action, guard.side, {finding.category: finding.score}, place, findings=1)


def _hold(bounds: Sequence[Bound], side: Side) -> Hold:
    from server.guards.hold import Hold

    return Hold(bounds, side)


def _sentences() -> Sentences:
    from server.guards.sentences import Sentences

    return Sentences()
