"""A terminal's contents as a picture: `tmux capture-pane -pe | python docs/screenshot.py OUT.svg [TITLE]`."""

import io
import sys

from rich.console import Console
from rich.text import Text


def main(out: str, title: str = "sLLM Stack") -> None:
    """Write what stands on stdin, ANSI colours included, to `out` as SVG."""
    lines = sys.stdin.read().rstrip().splitlines()
    width = max(len(Text.from_ansi(line).plain) for line in lines)
    console = Console(record=True, width=max(width, 60), file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True)
    console.save_svg(out, title=title)


if __name__ == "__main__":
    main(*sys.argv[1:])
