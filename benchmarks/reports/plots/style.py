"""How every picture looks: one size, fonts that are installed, colours that colour-blind readers tell apart."""

from __future__ import annotations

import logging
import math
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

# Okabe and Ito, "Color Universal Design" (2008), without the yellow, which is lost on white.
BLUE, RED, GREEN, ORANGE, SKY, PINK = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7"
PALETTE = (BLUE, RED, GREEN, PINK, ORANGE, SKY)
MARKERS, DASHES = ("o", "s", "^", "D", "v", "P"), ("-", "--", "-.", ":")
FAILED = "#b00020"
# The page puts its own colours in place of the first three, so that they follow the reader's light or dark mode.
INK, SOFT, LINE, PAPER = "#1c2024", "#5b636d", "#d9dde2", "#ffffff"

WIDTH, HEIGHT = 5.8, 3.8  # inches; at the page's narrowest its letters are still to be read
CJK = ("Noto Sans CJK KR", "NanumGothic", "Nanum Gothic", "Malgun Gothic", "Apple SD Gothic Neo", "UnDotum", "Noto Sans KR")


@dataclass(frozen=True)
class Plot:
    """One picture, not yet drawn. `draw` fills a figure; it is called once for the page and once for the PNG."""

    slug: str  # for the file's name: a-z, 0-9 and -
    title: str
    caption: str
    draw: Callable[[Figure], None]
    height: float = HEIGHT


@cache
def families() -> list[str]:
    """Fonts to try in turn for each letter, installed ones only (a missing one is a line in the log for every text drawn)."""
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ["DejaVu Sans", *[name for name in CJK if name in installed][:1]]


@contextmanager
def looks(fonts: Sequence[str] | None = None) -> Iterator[None]:
    """matplotlib's settings for as long as one picture is drawn. `fonts`: other ones than families(). A letter that none of them
    has is drawn as a box, without a warning."""
    import matplotlib

    # Where its cache cannot be written matplotlib says so, at import, in several lines: nothing that the reader of a benchmark can use.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    settings: Any = {
        "font.family": list(fonts or families()), "font.size": 10.2, "svg.fonttype": "none", "svg.hashsalt": "sllm", "axes.titlesize": 11,
        "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": SOFT, "axes.labelcolor": SOFT, "axes.labelsize": 10,
        "axes.facecolor": "none", "axes.grid": True, "axes.axisbelow": True, "grid.color": LINE, "grid.linewidth": 0.8, "text.color": INK,
        "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelsize": 9.7, "ytick.labelsize": 9.7, "legend.frameon": False,
        "legend.fontsize": 9.7, "lines.linewidth": 1.7, "lines.markersize": 5.5, "figure.facecolor": PAPER, "text.parse_math": False,
        "axes.unicode_minus": False, "axes.formatter.useoffset": False,
    }  # fmt: skip
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def thousands(axis: Axes, which: str = "y", log: bool = False) -> None:
    """Ticks as 1,000 and 0.05, never 10^3; on a logarithmic axis at 1, 2 and 5 where they are few."""
    from matplotlib.ticker import LogLocator, NullFormatter

    one = axis.yaxis if which == "y" else axis.xaxis
    if log:
        low, high = sorted(axis.get_ylim() if which == "y" else axis.get_xlim())
        decades = high / low if low > 0 else 1e9
        one.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 300 else (1.0,), numticks=12))
        one.set_minor_formatter(NullFormatter())
    one.set_major_formatter(_figures())


def ticks_at(axis: Axes, places: Sequence[float], log: bool = False) -> None:
    """Ticks of the x axis at the measured places themselves (rising), but for those too close to the one before."""
    from matplotlib.ticker import FixedLocator, NullLocator

    def along(value: float) -> float:
        return math.log(value) if log else value

    apart, chosen = 0.055 * (along(places[-1]) - along(places[0])), [places[0]]
    for value in places[1:]:
        if along(value) - along(chosen[-1]) >= apart:
            chosen.append(value)
    axis.xaxis.set_major_locator(FixedLocator(chosen))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(_figures())


def _figures() -> FuncFormatter:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{float(value):,.10g}")


def legend(figure: Figure, axis: Axes, most: int = 4) -> None:
    """Below the picture, in as many columns as fit, and only where something is named."""
    handles, labels = axis.get_legend_handles_labels()
    if handles:
        wide = 0.62 + 0.088 * max(cells(label) for label in labels)  # inches: the line, the gap, some letters
        columns = max(1, min(most, len(handles), int(WIDTH / wide)))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=2.2, columnspacing=1.4)


def cells(text: str) -> int:
    """How many letters of Latin width the text takes: those of CJK are twice as wide."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shades(count: int) -> Sequence[str]:
    """`count` colours from dark to light, for levels that have an order; without the ends, which are lost on black or on white."""
    import matplotlib
    from matplotlib.colors import to_hex

    ramp = matplotlib.colormaps["viridis"]
    return [to_hex(ramp(0.18 + 0.7 * place / max(1, count - 1))) for place in range(count)]


def empty(figure: Figure, words: str) -> None:
    """A picture without a single point says why."""
    axis = figure.add_subplot()
    axis.set_axis_off()
    axis.text(0.5, 0.5, words, ha="center", va="center", color=SOFT, wrap=True)
