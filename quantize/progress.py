"""What people see while a model is quantized: a bar on a terminal, plain lines elsewhere. Both go to stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from quantize import units
from quantize.children import UNKNOWN, Memory

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

EVERY = 5.0  # seconds between two plain lines about layers
MENTIONED = 0.5  # seconds of a phase that leaves a line
STEADY = 2  # layers before a time is foretold


@dataclass(frozen=True)
class Where:
    """How far a run is: `done` of `total` layers of a phase (0 where it has none), `began` by the clock."""

    phase: str = ""
    detail: str = ""
    began: float = 0.0
    done: int = 0
    total: int = 0
    memory: Memory = UNKNOWN

    def left(self, now: float) -> float | None:
        """Seconds until the phase ends, as fast as it went; None while that cannot be told."""
        if self.done < min(STEADY, self.total) or not self.done:
            return None
        return (now - self.began) / self.done * (self.total - self.done)

    def parts(self, now: float) -> list[str]:
        """What is said beside the phase: layer, time left, memory."""
        left = self.left(now) if self.total else None
        said = [
            self.detail,
            f"layer {self.done} of {self.total}" if self.total else "",
            f"{units.duration(left)} left" if left else "",
            f"memory {units.size(self.memory.now)}, highest {units.size(self.memory.peak)}" if self.memory.now else "",
        ]
        return [part for part in said if part]


class Progress:
    """Plain lines: one for each phase, and one about layers every few seconds."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic):
        self.stream, self.clock = stream, clock
        self.where = Where()
        self.said = -EVERY
        self.brief = False  # a bar leaves no line of a phase that is over

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def phase(self, name: str, detail: str = "") -> None:
        """What is done now, until the next one."""
        self.where = Where(name, detail, self.clock())
        self.said = self.clock()
        self.note(f"{name}: {detail}" if detail else name)

    def layers(self, done: int, total: int) -> None:
        self.where = replace(self.where, detail="", done=done, total=total)
        self.draw()

    def memory(self, memory: Memory) -> None:
        self.where = replace(self.where, memory=memory)

    def detail(self, text: str) -> None:
        """What exactly is done in this phase."""
        self.where = replace(self.where, detail=text)
        self.note(f"{self.where.phase}: {text}")

    def note(self, line: str) -> None:
        """One line that stays."""
        with contextlib.suppress(OSError):  # the terminal may be gone
            print(line, file=self.stream, flush=True)

    def stop(self) -> None:
        """The phase is over, and no other one follows yet."""
        self.where = Where()

    def draw(self) -> None:
        now = self.clock()
        if now - self.said >= EVERY or self.where.done == self.where.total:
            self.said = now
            self.note(f"{self.where.phase}: {', '.join(self.where.parts(now))}")


class Bar(Progress):
    """A bar that is drawn anew in its place; every finished phase leaves one line with its time."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic):
        super().__init__(stream, clock)
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[beside]}"))
        self.rich: RichProgress = RichProgress(*columns, console=Console(file=stream), transient=True)
        self.task = self.rich.add_task("", total=None, beside="", visible=False)

    def __enter__(self) -> Bar:
        self.rich.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave(failed=error is not None)
        self.rich.stop()

    def phase(self, name: str, detail: str = "") -> None:
        self._leave()
        self.where = Where(name, detail, self.clock())
        self.rich.reset(self.task, total=None, visible=True, description=name, beside=detail)

    def memory(self, memory: Memory) -> None:
        super().memory(memory)
        self.draw()

    def stop(self) -> None:
        self._leave()
        self.rich.update(self.task, visible=False)

    def detail(self, text: str) -> None:
        self.where = replace(self.where, detail=text)
        self.draw()

    def note(self, line: str) -> None:
        self.rich.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def draw(self) -> None:
        total = self.where.total or None
        self.rich.update(self.task, total=total, completed=self.where.done, beside=", ".join(self.where.parts(self.clock())))

    def _leave(self, failed: bool = False) -> None:
        """The line of a phase that is over."""
        passed = self.brief or self.clock() - self.where.began < MENTIONED
        if self.where.phase and (failed or not passed):
            peak = f", memory at most {units.size(self.where.memory.peak)}" if self.where.memory.peak else ""
            took = units.duration(self.clock() - self.where.began)
            self.note(f"  {self.where.phase} {'ended after' if failed else 'took'} {took}{peak}")
        self.where = Where()


def shown(plain: bool = False) -> Progress:
    """A bar where stderr is a terminal, else lines."""
    return Bar(sys.stderr) if sys.stderr.isatty() and not plain else Progress(sys.stderr)
