"""How far a job is: a bar on a terminal, else a line every ten seconds, on stderr."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

QUIET_EVERY = 10.0  # seconds between two lines where there is no terminal
RECENT = 15.0  # seconds over which a rate is told


class Progress:
    """`show` as often as one likes: it draws twice a second on a terminal, and writes rarely elsewhere.

    `total` lines; with `checking` the bytes of an input that is only looked through.
    """

    def __init__(
        self, total: int, *, checking: bool = False, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self.checking = checking
        self.stream = stream or sys.stderr
        self.clock = clock
        self.began = self.said = clock()
        self.seen: deque[tuple[float, int, int]] = deque()  # when, lines, tokens
        self.bar: Bar | None = None
        self.note = ""

    def __enter__(self) -> Progress:
        if self.stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn
            from rich.progress import Progress as Bar

            far = TaskProgressColumn() if self.checking else MofNCompleteColumn()
            columns = (TextColumn("{task.description}"), BarColumn(), far, TextColumn("{task.fields[said]}", markup=False))
            self.bar = Bar(*columns, console=Console(file=self.stream), auto_refresh=False, transient=True)
            self.task = self.bar.add_task("", total=self.total, said="")
            self.bar.start()
        return self

    def __exit__(self, type: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def say(self, line: str) -> None:
        """A line for people, above the bar."""
        if self.bar is not None:
            self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=self.stream, flush=True)

    def waits(self, note: str) -> None:
        """What the job waits for, in words; "": it runs."""
        if note != self.note and note and self.bar is None:
            self.say(note)
        self.note = note

    def show(self, done: int, failed: int, tokens: int) -> None:
        """`done`: lines that have ended, `failed` among them; `tokens`: output tokens of this run."""
        now = self.clock()
        if not self.seen or now - self.seen[-1][0] >= 0.5:
            self.seen.append((now, done, tokens))
        while len(self.seen) > 2 and now - self.seen[0][0] > RECENT:
            self.seen.popleft()
        if self.bar is not None:
            said = "" if self.checking else self.note or self._rates(now, done, failed, tokens)
            what = "checking" if self.checking else "waiting" if self.note else "lines"
            self.bar.update(self.task, completed=done, description=what, said=said)
            self.bar.refresh()
        elif now - self.said >= QUIET_EVERY:
            self.said = now
            share = 100 * done / self.total if self.total else 100
            if self.checking:
                self.say(f"checking the input: {share:.0f}%")
            else:
                self.say(f"{done:,} of {self.total:,} lines ({share:.1f}%), {self.note or self._rates(now, done, failed, tokens)}")

    def _rates(self, now: float, done: int, failed: int, tokens: int) -> str:
        then, lines, earlier = self.seen[0]
        took = max(now - then, 1e-6)
        rate = (done - lines) / took
        said = [f"{failed:,} failed", f"{(tokens - earlier) / took:,.0f} tokens/s"]
        if rate > 0 and len(self.seen) > 1:
            said.append(f"{duration((self.total - done) / rate)} left")
        return ", ".join(said)


def duration(seconds: float) -> str:
    """As people say it: 1.5 s, 45 s, 12 min, 3 h 20 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
