"""Line editing at the prompt: readline with history, completion, and wide characters that edit right."""

from __future__ import annotations

import codecs
import contextlib
import locale
import os
from collections.abc import Callable, MutableMapping
from pathlib import Path


def is_utf8(codeset: str) -> bool:
    try:
        return codecs.lookup(codeset).name == "utf-8"
    except LookupError:
        return False


def use_utf8(environ: MutableMapping[str, str] = os.environ) -> None:
    """Let readline count characters, not bytes: it takes its character set from the environment's locale.

    In a bare container (LC_ALL=C, LANG unset) a Hangul syllable would be three characters to it.
    """
    if not is_utf8(locale.nl_langinfo(locale.CODESET)) or environ.get("LC_ALL") in ("C", "POSIX"):
        environ["LC_ALL"] = "C.UTF-8"
        try:
            locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
        except locale.Error:  # no such locale on this system: ASCII still edits right
            del environ["LC_ALL"]


def start(history: Path, complete: Callable[[str], list[str]]) -> Callable[[], None]:
    """Turn line editing on. Returns a function that saves the history."""
    try:
        import readline
    except ImportError:  # Python built without it: plain input() still works
        return lambda: None
    use_utf8()
    found: list[str] = []

    def completer(_: str, state: int) -> str | None:
        if state == 0:
            found[:] = complete(readline.get_line_buffer())
        return found[state] if state < len(found) else None

    readline.set_completer(completer)
    readline.set_completer_delims("")  # the whole line is completed, so that names with / and - work
    readline.parse_and_bind("tab: complete")
    readline.parse_and_bind("set enable-bracketed-paste on")  # a pasted text of several lines is one question
    readline.set_history_length(2000)
    with contextlib.suppress(OSError):
        readline.read_history_file(history)

    def save() -> None:
        try:
            history.parent.mkdir(parents=True, exist_ok=True)
            history.touch(mode=0o600)
            readline.write_history_file(history)
        except OSError:  # a full disk must not spoil the end of a chat
            pass

    return save


def prompt(text: str, *, colour: bool) -> str:
    """`text` in bold; the marks around the escapes keep readline's count of columns right."""
    return f"\x01\x1b[1m\x02{text}\x01\x1b[0m\x02" if colour else text
