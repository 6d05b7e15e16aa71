"""Which upstream of a model takes the next request.

The one with the fewest requests outstanding; ties take turns. One that fails `eject_after` times in a row is
left out for `eject_for` seconds and then gets one request: success brings it back, failure leaves it out again.
With all of them out, the one that failed longest ago is tried: a request is better tried than refused.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from server.gateway.upstream.address import Address
from server.gateway.upstream.pool import Pool
from server.settings import Timeouts, Upstreams


class Upstream:
    """One engine address: its pool and its recent record. `key`: what it wants as a bearer token."""

    def __init__(self, address: Address, timeouts: Timeouts, key: str | None = None) -> None:
        self.address = address
        self.authorization = f"authorization: Bearer {key}\r\n" if key else ""
        self.pool = Pool(address, timeouts)
        self.outstanding = 0
        self.failures = 0  # in a row
        self.out_until = 0.0  # monotonic seconds; 0: taking requests
        self.failed_at = 0.0
        self.heads: dict[str, bytes] = {}

    def head(self, path: str) -> bytes:
        """The constant part of a POST to `path`: request line and headers, up to the ones that vary."""
        head = self.heads.get(path)
        if head is None:
            head = self.heads[path] = (
                f"POST {self.address.base}{path} HTTP/1.1\r\nhost: {self.address.host}\r\n"
                f"content-type: application/json\r\naccept: application/json, text/event-stream\r\n{self.authorization}"
            ).encode("ascii")
        return head


class Balancer:
    def __init__(self, upstreams: list[Upstream], rules: Upstreams, clock: Callable[[], float] = time.monotonic) -> None:
        self.upstreams = upstreams
        self.rules = rules
        self.clock = clock
        self.turn = 0
        self.healthy = True  # no upstream is out: the common case needs no clock

    def pick(self, tried: list[Upstream] | None = None) -> Upstream | None:
        """The upstream for the next request, not one of `tried`; None when all were tried."""
        upstreams = self.upstreams
        if len(upstreams) == 1:
            return None if tried else upstreams[0]
        self.turn = turn = (self.turn + 1) % len(upstreams)
        rotated = upstreams[turn:] + upstreams[:turn]
        if tried:
            rotated = [u for u in rotated if u not in tried]
            if not rotated:
                return None
        if not self.healthy:
            now = self.clock()
            if back := next((u for u in rotated if u.out_until and u.out_until <= now), None):
                back.out_until = now + self.rules.eject_for  # the others keep away until this one request tells
                return back
            able = [u for u in rotated if not u.out_until]
            if not able:
                return min(rotated, key=lambda u: u.failed_at)
            rotated = able
        return min(rotated, key=_outstanding)

    def succeeded(self, upstream: Upstream) -> None:
        if upstream.failures or upstream.out_until:
            upstream.failures = 0
            upstream.out_until = 0.0
            self.healthy = not any(u.out_until for u in self.upstreams)

    def failed(self, upstream: Upstream) -> None:
        upstream.failures += 1
        upstream.failed_at = self.clock()
        if upstream.failures >= self.rules.eject_after:
            upstream.out_until = upstream.failed_at + self.rules.eject_for
            self.healthy = False


def _outstanding(upstream: Upstream) -> int:
    return upstream.outstanding
