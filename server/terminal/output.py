"""One way to print for programs (`--json`) and one for errors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from server.settings import ROOT


def print_json(value: Any) -> None:
    """One JSON document on one line of stdout, at once."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def print_error(message: str, exit_code: int, *, as_json: bool = False) -> None:
    """`message` as one sentence on stderr, or as one JSON line on stdout."""
    if as_json:
        print_json({"error": {"message": message, "exit_code": exit_code}})
    else:
        print(f"error: {message}", file=sys.stderr, flush=True)


def in_colour(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether `stream` is a terminal that shows colour (https://no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def version() -> str:
    """This project's version, as installed or as the clone says."""
    import tomllib
    from importlib import metadata

    try:
        return metadata.version("sllm-stack")
    except metadata.PackageNotFoundError:
        return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
