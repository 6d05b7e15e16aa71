"""The pictures of a results document, as SVG for the page and as PNG files. Needs matplotlib; without it there are none."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.reports.levels import Document, curves
from benchmarks.reports.plots import distributions, generic, goodput, latency, style, timeline
from benchmarks.reports.plots.style import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MISSING = "There are no pictures: matplotlib is not installed in this environment. Type: pip install matplotlib"
MOST_CURVES = 4  # sets of levels; each has up to six pictures
DPI = 192  # 2x of the 96 a screen has
HEAD, LINE, TITLE = 0.42, 0.21, 64  # inches of a PNG above the picture, more for a line of the title, and letters in that


def available() -> bool:
    """Whether matplotlib is installed."""
    return util.find_spec("matplotlib") is not None


def plots(document: Document) -> list[Plot]:
    """All pictures that the document has figures for, those of its own first."""
    every = (generic, latency, goodput, distributions, timeline)
    return [plot for source in ((generic,) if left_out(document) else every) for plot in source.plots(document)]


def left_out(document: Document) -> str | None:
    """Why the levels have no pictures: of a large matrix they would be hundreds. None: they have."""
    subjects = len(curves(document))
    if subjects <= MOST_CURVES:
        return None
    return f"Of {subjects} sets of levels no latencies, distributions and timelines are drawn: bench one of them to see its own."


def svgs(document: Document) -> list[tuple[str, str, str]]:
    """(title, caption, SVG text) of each; the title is not in the picture, text stays text. Empty without matplotlib."""
    return [(plot.title, plot.caption, svg(plot, prefix)) for plot, prefix in _numbered(document)] if available() else []


def write_all(document: Document, folder: Path, stem: str) -> list[Path]:
    """Write FOLDER/STEM-PICTURE.png of each, with title and caption in it. Returns the files; none without matplotlib."""
    if not available():
        return []
    written = []
    for plot, _ in _numbered(document):
        with style.looks():
            title = _lines(plot.title)
            figure = _figure(plot.height + HEAD + LINE * len(title))
            _head(figure, title, document)
            plot.draw(figure)
            file = folder / f"{stem}-{plot.slug}.png"
            figure.savefig(file, dpi=DPI)
        written.append(file)
    return written


def _numbered(document: Document) -> Iterator[tuple[Plot, str]]:
    return ((plot, f"p{index}-") for index, plot in enumerate(plots(document), 1))


def _figure(height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _lines(title: str) -> list[str]:
    """The title in lines that fit above a picture; a CJK letter is two wide."""
    wide = TITLE * len(title) // max(1, style.cells(title))
    return textwrap.wrap(title, max(8, wide)) or [""]


def _head(figure: Figure, title: list[str], document: Document) -> None:
    """The title, and below it what was measured, where and when: a PNG travels without its page."""
    height = figure.get_figheight()
    engine = figure.get_layout_engine()
    assert engine is not None
    room = HEAD + LINE * len(title)
    engine.set(rect=(0, 0, 1, 1 - room / height))  # type: ignore[call-arg]
    figure.text(0.02, 1 - 0.1 / height, "\n".join(title), fontsize=12, ha="left", va="top", in_layout=False)
    about = document.get("provenance") or {}
    server = about.get("server") or {}
    words = [server.get("model"), server.get("engine"), str(about.get("date") or "")[:10]]
    if document.get("status") != "complete":
        words.append("partial results")
    where = " · ".join(str(word) for word in words if word)
    figure.text(0.02, 1 - (room - 0.1) / height, where[:110], fontsize=8.5, color=style.SOFT, ha="left", va="bottom", in_layout=False)


def svg(plot: Plot, prefix: str) -> str:
    """One <svg>, without what a page does not need, its ids made the picture's own."""
    out = io.StringIO()
    with style.looks():
        figure = _figure(plot.height)
        plot.draw(figure)
        figure.savefig(out, format="svg", facecolor="none", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    return re.sub(r'(href="#|url\(#)', rf"\1{prefix}", text)
