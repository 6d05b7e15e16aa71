"""How many lines of batch work may be in flight at each engine: what interactive requests leave.

Nobody there: as many as keep the engine full, found by trying: more while nothing waits in it, less by what waits. While
interactive requests come: `share` of that, and less where their first tokens take longer than they did on an idle engine.
From an interactive request's arrival to its first token no new line goes out beside those that run. One line may always be
in flight, so that batch work goes on however busy an engine is.

The figures are the whole engine's, so several gateway workers that follow them come to an agreement; what is fixed by the
configuration is divided by their number.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from server.settings import Batch

CALM = 15.0  # seconds without an interactive request, after which an engine counts as free
FIRST = 32.0  # lines in flight that an engine gets at first, and one that tells no figures for good
MOST = 1024.0  # lines in flight at one engine where the configuration names no number; vLLM takes up to 1024 at a time
KV_FULL = 0.9  # of the KV cache: beyond it vLLM soon throws running requests out, and their work away
AIM = 0.2  # what lines in flight may add to the time to the first token, over that of an idle engine
SAMPLES, FEW = 24, 8  # the last first tokens that are looked at, and how many it takes
LESS, MORE = 0.9, 1.08  # one first token changes the number of lines by no more than this
ROOM = 0.94  # part of the requests that an engine runs at a time which may be batch lines: the next one finds a place
STEEP, GENTLE = 1.5, 1.005  # growth between two looks: until something has waited, and then
HELD = 0.2  # seconds that new lines wait for a first token where it is not known how long it takes


@dataclass(frozen=True)
class Figures:
    """What an engine says of itself, all its requests together. `kv` is the used part of its KV cache."""

    running: int
    waiting: int
    kv: float


class Scavenger:
    """A Share that leaves room for interactive requests. `engine_of` tells which engine a model's name belongs to."""

    def __init__(
        self,
        settings: Batch,
        engine_of: Callable[[str], str],
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        """`later` calls something after so many seconds; by default the running loop does."""
        self.settings = settings
        self.engine_of = engine_of
        self.workers = workers
        self.clock = clock
        self.later = later or (lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call))
        self.lanes: dict[str, Lane] = {}

    def lane(self, engine: str) -> Lane:
        found = self.lanes.get(engine)
        if found is None:
            found = self.lanes[engine] = Lane(self.settings, self.workers, self.clock, self.later)
        return found

    async def enter(self, model: str) -> None:
        await self.lane(self.engine_of(model)).enter()

    def leave(self, model: str) -> None:
        self.lane(self.engine_of(model)).leave()

    @property
    def working(self) -> bool:
        """Whether any line is in flight or waits to be."""
        return any(lane.working for lane in self.lanes.values())


class Lane:
    """The lines of one engine, as far as this gateway worker sends them."""

    def __init__(
        self, settings: Batch, workers: int, clock: Callable[[], float], later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        self.clock, self.later = clock, later
        fixed = None if settings.concurrency == "auto" else settings.concurrency / workers
        self.ceiling = MOST / workers if fixed is None else fixed
        self.full = min(FIRST / workers, self.ceiling) if fixed is None else fixed  # lines that keep the engine full, as far as known
        self.workers = workers
        self.steep = True  # nothing has waited yet: many more may be right
        self.waited = False  # something did, at the last look
        self.share = settings.share
        self.kept = 1.0  # part of the share that the times of first tokens leave
        self.inside = 0
        self.queue: deque[asyncio.Future[None]] = deque()
        self.asked = float("-inf")  # when the last interactive request came, or was still there
        self.open = 0  # interactive requests in flight
        self.held_until = 0.0
        self.idle: dict[int, deque[float]] = {}  # seconds to the first token on an idle engine, by the size of the request
        self.added: deque[tuple[float, int]] = deque(maxlen=SAMPLES)  # to the time to the first token, by how many lines

    # Lines.

    @property
    def working(self) -> bool:
        return self.inside > 0 or bool(self.queue)

    @property
    def limit(self) -> int:
        """Lines that may be in flight now. Never below 1."""
        return max(1, int(self.full * self.share * self.kept)) if self.busy else max(1, int(self.full))

    @property
    def busy(self) -> bool:
        """Interactive requests come, or did a moment ago."""
        return self.open > 0 or self.clock() - self.asked < CALM

    async def enter(self) -> None:
        if not self.queue and self._room():
            self.inside += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # its turn had come
            else:
                self.queue.remove(turn)
            raise

    def leave(self) -> None:
        self.inside -= 1
        self.wake()

    def wake(self) -> None:
        """Let in whom there is room for."""
        while self.queue and self._room():
            turn = self.queue.popleft()
            if not turn.done():
                turn.set_result(None)
                self.inside += 1

    def _room(self) -> bool:
        return self.inside == 0 or (self.inside < self.limit and self.clock() >= self.held_until)

    # Interactive requests.

    def noticed(self, seconds_ago: float) -> None:
        """Another gateway worker had an interactive request."""
        self.asked = max(self.asked, self.clock() - seconds_ago)

    def began(self, size: int) -> None:
        """An interactive request of `size` bytes goes to the engine."""
        self.open += 1
        self.asked = now = self.clock()
        if self.working:
            known = self._usual(size)
            patience = HELD if known is None else min(2 * known, 5 * HELD)
            self.held_until = max(self.held_until, now + patience)
            self.later(patience, self.wake)

    def first(self, size: int, seconds: float) -> None:
        """Its first token came after so long."""
        if not self.working:
            if self.open <= 1:
                self.idle.setdefault(_kind(size), deque(maxlen=64)).append(seconds)
            return
        if self.open <= 1:
            self.held_until = 0.0
            self.wake()
        usual = self._usual(size)
        if usual is None or self.inside == 0:
            return
        self.added.append((seconds / usual - 1, self.inside))
        if len(self.added) >= FEW:
            # What lines add grows with their number: a first token waits for the step that runs, and a step for its lines.
            each = max(0.0, median(added for added, _ in self.added)) * len(self.added) / sum(inside for _, inside in self.added)
            most = self.full * self.share
            right = AIM / each if each > AIM / most else most
            kept = min(max(right / (most * self.kept), LESS), MORE) * self.kept
            self.kept = min(1.0, max(kept, 1 / max(1.0, most)))

    def ended(self) -> None:
        """It is over, or was given up."""
        self.open -= 1
        self.asked = self.clock()

    def _usual(self, size: int) -> float | None:
        """The median time to the first token that a request of this size has on an idle engine; None: not seen yet."""
        seen = self.idle.get(_kind(size))
        return median(seen) if seen else None

    # The engine.

    def slots(self, most: int) -> None:
        """The engine runs so many requests at a time: one that comes is to find a place."""
        self.ceiling = min(self.ceiling, most * ROOM / self.workers)
        self.full = min(self.full, self.ceiling)

    def figures(self, now: Figures) -> None:
        """What the engine says, every half second while there is batch work."""
        used = self.inside >= int(0.9 * self.limit) and (self.kept == 1.0 or not self.busy)
        if now.kv > KV_FULL:
            self.steep = False
            self.full = max(1.0, 0.8 * min(self.full, self._behind()))
        elif now.waiting > 0:
            # What waits at one look only came a moment ago, or stepped aside for a first token.
            if self.waited and self.inside > 1:
                self.steep = False
                self.full = max(1.0, ROOM * (min(self.full, self._behind()) - now.waiting / self.workers))
        elif used:
            self.full = min(self.ceiling, self.full * (STEEP if self.steep else GENTLE) + 0.1)
        self.waited = now.waiting > 0
        self.wake()

    def _behind(self) -> float:
        """`full` that would allow what is in flight now."""
        return max(1, self.inside) / (self.share * self.kept if self.busy else 1.0)


def _kind(size: int) -> int:
    """Requests whose sizes differ by less than a factor of two are alike."""
    return size.bit_length()
