"""Dates and times of day must be the same, however they are written: "March 5, 2024", "2024-03-05" and "2024년 3월 5일" are one."""

from __future__ import annotations

from server.cache.semantic.gates.reading import read


def dates(a: str, b: str) -> str | None:
    """Objects when a date or a time of day is only in one of them."""
    only = read(a).dates ^ read(b).dates
    return " and ".join(f"{part} {number}" for part, number in sorted(only)) + " only in one of them" if only else None
