"""The requests that run now: who left is noticed here, and draining waits for the rest.

A watcher for each request would cost a task each. A request that is still running at the second tick gets one:
most are over by then, and those that are not can afford it.
"""

from __future__ import annotations

import asyncio

from server.gateway.call import Call
from server.gateway.upstream.errors import Broken, Left


class Drain:
    """`active`: no new requests. Set by SIGTERM and by the supervisor's state file."""

    def __init__(self) -> None:
        self.signalled = False
        self.told = False

    @property
    def active(self) -> bool:
        return self.signalled or self.told


class InFlight:
    def __init__(self) -> None:
        self.calls: set[Call] = set()
        self.watchers: set[asyncio.Task[None]] = set()

    def sweep(self) -> None:
        """Once a tick: watch the clients of requests that have waited for an engine, or for each other, for one tick already."""
        for call in self.calls:
            if call.watched or not (call.connection is not None or call.waits):
                continue
            if call.ticks:
                call.watched = True
                task = asyncio.get_running_loop().create_task(_watch(call))
                self.watchers.add(task)
                task.add_done_callback(self.watchers.discard)
            call.ticks += 1

    def cut(self, why: str) -> None:
        """End every exchange with an engine; its client gets an error."""
        for call in list(self.calls):
            if call.connection is not None:
                call.connection.abort(Broken(why))


async def _watch(call: Call) -> None:
    """Wait until the client leaves or the answer is out; in the first case close the engine's connection."""
    while (await call.receive())["type"] != "http.disconnect":
        pass
    if call.status == 0 or not call.finished:
        call.gone = True
        if call.follower is not None:
            call.follower.leave()
        elif call.flight is not None:
            call.flight.leader_left(lambda: _abandon(call))  # now, or when nobody waits for its answer any more
        else:
            _abandon(call)


def _abandon(call: Call) -> None:
    if call.connection is not None:
        call.connection.abort(Left("the client left"))
