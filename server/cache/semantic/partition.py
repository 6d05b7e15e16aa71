"""What is known of one partition: how right its answers were, whether it may serve, and its shelves."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from server.cache.semantic import threshold as thresholds
from server.cache.semantic.bound import audits_needed, upper_bound
from server.cache.semantic.shelf import Observed, Shelf

AUDITS, WRONG = "audits", "wrong"


class Partition:
    """`limit`: the share of wrong hits that is allowed; `calibrated`: the threshold found on labelled pairs, or None.

    A calibrated threshold counts as the fewest right audits that prove the limit, so that serving may begin at once and
    ends with the first wrong ones; without one, the partition's own audits must prove it first.
    """

    def __init__(self, identity: bytes, model: str, namespace: str, limit: float, calibrated: float | None) -> None:
        self.identity = identity
        self.model = model
        self.namespace = namespace
        self.limit = limit
        self.calibrated = calibrated
        self.credit = audits_needed(limit) if calibrated is not None else 0
        self.prior = thresholds.calibrated(calibrated, limit)
        self.shelves: OrderedDict[bytes, Shelf] = OrderedDict()  # used longest ago first
        self.totals: dict[str, int] = {}  # what the store has counted, for all workers
        self.unsent: dict[str, int] = {}  # what it was not told yet
        self.sending: dict[str, int] = {}  # what it is being told
        self.known = False  # the store's counts were read
        self.looked = 0.0
        self.serving: bool | None = None  # as it was said last
        self._curves: dict[Any, thresholds.Curve] = {}

    @property
    def questions(self) -> int:
        return sum(len(shelf) for shelf in self.shelves.values())

    @property
    def audits(self) -> int:
        return self._count(AUDITS)

    @property
    def wrong(self) -> int:
        return self._count(WRONG)

    @property
    def bound(self) -> float:
        """The upper bound on the share of wrong hits that decides, the calibration counted in."""
        audits = self.credit + self.audits
        return upper_bound(audits, min(self.wrong, audits))

    @property
    def measured(self) -> float:
        """The upper bound that follows from the partition's own audits alone; 1 before the first."""
        return upper_bound(self.audits, min(self.wrong, self.audits))

    @property
    def may_serve(self) -> bool:
        return self.known and self.bound <= self.limit

    def note(self, similarity: float, right: bool, counts: bool) -> None:
        """One comparison. `counts`: it was a hit, or would have been."""
        self._add(f"{'r' if right else 'w'}{thresholds.bin_of(similarity)}", 1)
        if counts:
            self._add(AUDITS, 1)
            if not right:
                self._add(WRONG, 1)

    def send(self) -> dict[str, int]:
        """The counts for the store; `read` or `not_sent` comes next."""
        self.sending, self.unsent = self.unsent, {}
        return self.sending

    def not_sent(self) -> None:
        """The store did not take them."""
        for name, count in self.sending.items():
            self.unsent[name] = self.unsent.get(name, 0) + count
        self.sending = {}

    def read(self, totals: Mapping[str, int]) -> None:
        """The store's counts, those that were sent among them."""
        self.known = True
        self.sending = {}
        if totals != self.totals:
            self.totals = dict(totals)
            self._curves.clear()

    def curve(self, entry: bytes, observed: Observed) -> thresholds.Curve:
        """An entry's curve, from the partition's and what was `observed` of it."""
        key = (entry, tuple(observed.items())) if observed else None
        found = self._curves.get(key)
        if found is None:
            pooled = thresholds.entry_prior(thresholds.fit(self.prior, self._bins()))
            found = thresholds.fit(pooled, observed) if observed else pooled
            if len(self._curves) > 4096:
                self._curves.clear()
            self._curves[key] = found
        return found

    def _bins(self) -> Observed:
        bins: Observed = {}
        for name in {*self.totals, *self.sending, *self.unsent}:
            if name[0] in "rw" and name[1:].lstrip("-").isdigit():
                index = int(name[1:])
                right, wrong = bins.get(index, (0, 0))
                count = self._count(name)
                bins[index] = (right + count, wrong) if name[0] == "r" else (right, wrong + count)
        return bins

    def _count(self, name: str) -> int:
        return max(0, self.totals.get(name, 0) + self.sending.get(name, 0) + self.unsent.get(name, 0))

    def _add(self, name: str, count: int) -> None:
        self.unsent[name] = self.unsent.get(name, 0) + count
        self._curves.clear()
