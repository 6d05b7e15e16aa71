"""Results and progress for people at a terminal: a table that fits 100 columns, and a live line for each level."""

from __future__ import annotations

import dataclasses
import io
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from benchmarks.loadgen.records import Load, Progress
from benchmarks.reports import columns
from benchmarks.reports.columns import Column
from benchmarks.reports.findings import findings
from benchmarks.reports.levels import Curve, Document, is_knee, load_name, number, plural, repeats
from benchmarks.reports.levels import curves as curves_of

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID
    from rich.table import Table

WIDTH, NARROWEST = 100, 50  # cells of a line
LONGEST = 36  # cells of a column of words
SHORT = {"Requests/s": ("req/s", ""), "Output tokens/s": ("output", "tok/s"), "Goodput/s": ("good-", "put/s")}


def table(document: Document, width: int | None = None) -> str:
    """The levels, the knee, what stands against the figures, and the document's own tables. No line is wider than `width` cells:
    the terminal's, at most 100; 100 where stdout is none."""
    width = width or max(NARROWEST, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))
    parts: list[Any] = []
    found, tables = curves_of(document), columns.own_tables(document)
    for own in tables:
        parts += [own["title"], *_tables(own["heads"], own["numeric"], own["rows"], width), *filter(None, [own["note"]]), ""]
    shown = not (tables and len(found) > 1)  # else its own tables say in short what the levels say
    for curve in found if shown else ():
        parts += [*filter(None, [curve.name]), *_levels(document, curve, width), ""]
    runs = repeats(document)
    if runs and shown:
        parts.append("Latencies in ms, under vLLM's definitions." + (f" Medians of {runs} runs; requests of all runs." if runs > 1 else ""))
    if (document.get("knee") or {}).get("why"):
        parts.append(f"Knee{' (*)' if document['knee'].get('at') else ''}: {document['knee']['why']}")
    parts += [f"! {words}" for words in findings(document)]
    return _text(parts, width).rstrip()


def _levels(document: Document, curve: Curve, width: int) -> list[Table]:
    """One row a load: the load, how many requests were completed and failed, rates, latencies."""
    chosen: list[Column] = [*columns.RATES]
    for metric, places in (("ttft", ("p50", "p99")), ("tpot", ("p50", "p99")), ("itl", ("p99",)), ("e2e", ("p50",))):
        chosen += columns.latency(metric, *places)
    if any(row.spread(*columns.GOODPUT.path) for row in curve.rows):
        chosen.append(columns.GOODPUT)
    heads = [("load", ""), ("ok", ""), ("failed", ""), *(SHORT.get(c.head, (c.head.split()[0], c.part)) for c in chosen)]
    rows = []
    for row in curve.rows:
        name = row.name + (" *" if is_knee(document, row) else "") + (" …" if row.partial else "")
        counts = f"{row.count('requests', 'completed'):,}", f"{row.failed:,}"
        rows.append([name, *counts, *(column.cell(row) for column in chosen)])
    return _tables(heads, [False] + [True] * (len(heads) - 1), rows, width)


def _tables(heads: Sequence[tuple[str, str]], numeric: Sequence[bool], rows: Sequence[Sequence[str]], width: int) -> list[Table]:
    """One table, or several where one would be too wide: each begins with the columns that tell the rows apart, in so far as these
    take at most half the width. A figure is never cut."""
    from rich.cells import cell_len

    wide = []
    for place, numbers in enumerate(numeric):
        need = max([cell_len(text) for text in heads[place]] + [cell_len(row[place]) for row in rows])
        wide.append(need + 2 if numbers else min(need, LONGEST) + 2)
    if not heads:
        return []
    apart = next((count for count in range(1, len(heads)) if len({tuple(row[:count]) for row in rows}) == len(rows)), 1)
    same = [place for place in range(apart) if place == 0 or sum(wide[: place + 1]) <= width / 2]
    parts = [list(same)]
    for place in range(len(same), len(heads)):
        if len(parts[-1]) > len(same) and sum(wide[other] for other in parts[-1]) + wide[place] > width:
            parts.append(list(same))
        parts[-1].append(place)
    return [_table([heads[p] for p in part], [numeric[p] for p in part], [[row[p] for p in part] for row in rows]) for part in parts]


def _table(heads: Sequence[tuple[str, str]], numeric: Sequence[bool], rows: Sequence[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for (head, below), numbers in zip(heads, numeric, strict=True):
        title = _plain(f"{head}\n{below}" if below else head)
        longest = None if numbers else LONGEST
        made.add_column(title, justify="right" if numbers else "left", no_wrap=numbers, overflow="fold", max_width=longest)
    for row in rows:
        made.add_row(*map(_plain, row))
    return made


def _plain(words: str) -> Any:
    """Text as it is: what stands in brackets is no markup, and control characters do not reach the terminal."""
    from rich.text import Text

    return Text("".join(letter for letter in words if letter.isprintable() or letter == "\n"))


def _text(parts: Sequence[Any], width: int) -> str:
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, emoji=False, highlight=False)
    for part in parts:
        console.print(_plain(part) if isinstance(part, str) else part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


class Live:
    """Progress on stderr, so that stdout stays clean for the results: a bar for the level that runs where stderr is a terminal, and one
    line for each level that has ended, there and elsewhere."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream or sys.stderr
        self.clock = clock
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._name, self._last, self._began = "", None, 0.0  # type: str, Progress | None, float

    def __enter__(self) -> Live:
        if self.stream.isatty():
            self._bars = _bars(self.stream)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close("stopped: " if kind else "")
        if self._bars:
            self._bars.stop()
            self._bars = None

    def say(self, words: str) -> None:
        """A line above the bar: what happens between levels."""
        if self._bars:
            self._bars.console.print(_plain(words))
        else:
            print("".join(letter for letter in words if letter.isprintable()), file=self.stream, flush=True)

    def level(self, text: str, load: Load | None = None) -> None:
        """A level begins: the one before has ended. `text` names it; without one its load does."""
        self._close()
        self._name, self._last, self._began = text or (load_name(dataclasses.asdict(load)) if load else "level"), None, self.clock()
        if self._bars:
            self._task = self._bars.add_task(self._name, total=None, words="", rate="")

    def progress(self, now: Progress) -> None:
        """Where the level stands."""
        self._last = now
        if self._bars and self._task is not None:
            total, done = (now.wanted, now.done) if now.wanted else (now.limit, min(now.seconds, now.limit or now.seconds))
            self._bars.update(self._task, total=total, completed=done, words=_counts(now), rate=_rate(now), refresh=True)

    def _close(self, how: str = "") -> None:
        if not self._name:
            return
        if self._bars and self._task is not None:
            self._bars.remove_task(self._task)
        self._task = None
        if self._last:
            self.say(f"{self._name}: {how}{_counts(self._last, ended=True)} in {number(self._last.seconds)} s, {_rate(self._last)}")
        else:
            self.say(f"{self._name}: {how or 'no progress was told, '}{number(self.clock() - self._began)} s")
        self._name = ""


def _counts(now: Progress, ended: bool = False) -> str:
    """`now.done` holds the failed ones too."""
    failed = f", {now.failed:,} failed" if now.failed else ""
    if ended:
        return f"{plural(now.done - now.failed, 'request')} completed{failed}"
    return f"{now.done:,}{f'/{now.wanted:,}' if now.wanted else ''} done{failed}, {now.open:,} open"


def _rate(now: Progress) -> str:
    return f"{number(now.output_tokens / now.seconds) if now.seconds > 0 else '0'} tok/s"


def _bars(stream: TextIO) -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[words]}", markup=False),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(file=stream, force_terminal=True, highlight=False, emoji=False),
        refresh_per_second=8,
    )
