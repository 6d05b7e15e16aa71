"""Durations and sizes as people write them: `30s`, `5m`, `24h`, `512MiB`, `1GiB`."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def seconds(value: object) -> float:
    """Seconds of `value`: a number (seconds) or a text with a unit. Raises ValueError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        amount = float(value)
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*", str(value))
        if not match:
            raise ValueError(f"'{value}' is not a duration: write 500ms, 30s, 5m, 24h or 7d")
        amount = float(match[1]) * _SECONDS[match[2]]
    if amount < 0 or not math.isfinite(amount):
        raise ValueError(f"'{value}' is not a duration: it must be finite and not negative")
    return amount


def size(value: object) -> int:
    """Bytes of `value`: a number (bytes) or a text with a unit. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        amount = value
    else:
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B)\s*", str(value))
        if not match or match[2] not in _BYTES:
            raise ValueError(f"'{value}' is not a size: write 512MiB, 1GiB or a number of bytes")
        amount = int(float(match[1]) * _BYTES[match[2]])
    if amount < 0:
        raise ValueError(f"'{value}' is not a size: it is negative")
    return amount


def show_seconds(value: float) -> str:
    """`value` seconds in the largest unit that divides it: 90.0 -> '90s', 120.0 -> '2m'."""
    for unit in ("d", "h", "m", "s"):
        if value and value % _SECONDS[unit] == 0:
            return f"{int(value // _SECONDS[unit])}{unit}"
    return f"{round(value * 1000)}ms" if value else "0s"


def show_size(value: int) -> str:
    """`value` bytes in the largest binary unit that divides it: 1073741824 -> '1GiB'."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if value and value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]}{unit}"
    return f"{value}B"


Duration = Annotated[float, BeforeValidator(seconds), PlainSerializer(show_seconds, return_type=str)]
Size = Annotated[int, BeforeValidator(size), PlainSerializer(show_size, return_type=str)]
