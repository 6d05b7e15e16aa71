"""One text as all guards see it: as it came, and with its disguises taken off, made once for all of them."""

from __future__ import annotations

from server.guards.normal import Normal, normalise


class View:
    """`base`: characters of the whole text that came before `raw`. `known`: what one guard has found out that others ask too."""

    __slots__ = ("_digits", "_plain", "base", "known", "raw")

    def __init__(self, raw: str, base: int = 0) -> None:
        self.raw = raw
        self.base = base
        self.known: dict[tuple[int, int], list[tuple[int, int]]] = {}  # (start, longest) -> encoded runs
        self._plain: Normal | None = None
        self._digits: Normal | None = None

    @property
    def plain(self) -> Normal:
        if self._plain is None:
            self._plain = normalise(self.raw)
        return self._plain

    @property
    def digits(self) -> Normal:
        """With numbers that are written in words as numbers."""
        if self._digits is None:
            self._digits = self.plain.digits()
        return self._digits
