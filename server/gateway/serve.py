"""The server of one gateway process: uvicorn that drains before it closes its listener."""

from __future__ import annotations

import gc
import os
import socket
import time
from types import FrameType

from uvicorn import Config, Server

from server.errors import StartError
from server.gateway.app import GatewayApp
from server.gateway.protocol import Protocol, protocol_class

SWEEP = 5  # ticks of uvicorn's 0.1 s
LAST_WORDS = 1.0  # seconds in which a connection that was accepted may still bring its request, to be told why not


class GatewayServer(Server):
    """SIGTERM: new requests get 503, running ones finish within drain_timeout, then the process ends.

    The listener stays open meanwhile, so a client reads the reason instead of a refused connection; it is closed a
    moment before the end, so that no connection is accepted and dropped without a word. A second signal ends at once.
    The process also ends when its parent `parent` (a pid) is gone.
    """

    def __init__(self, app: GatewayApp, parent: int = 0) -> None:
        gateway = app.settings.gateway
        super().__init__(
            Config(
                app,
                http=protocol_class(gateway),
                ws="none",
                loop="uvloop",
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=2048,
                timeout_graceful_shutdown=1,
            )
        )
        self.gateway = app
        self.parent = parent
        self.drain_until = 0.0
        self.deaf_since = 0.0
        self.last_sweep = time.monotonic()
        self.failure: StartError | None = None  # why it did not start

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.gateway.drain.signalled:
            self.should_exit = self.force_exit = True
            return
        self.gateway.drain.signalled = True
        self.drain_until = time.monotonic() + self.gateway.settings.gateway.drain_timeout
        for protocol in list(self.server_state.connections):
            if isinstance(protocol, Protocol) and protocol.running is not None:
                protocol.running.keep_alive = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await self.gateway.prepare()
        except StartError as error:
            self.failure = error
            self.should_exit = True
            return
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        if counter % SWEEP == 0:
            now = time.monotonic()
            elapsed, self.last_sweep = now - self.last_sweep, now
            for protocol in list(self.server_state.connections):
                if isinstance(protocol, Protocol):
                    protocol.sweep(elapsed)
            if self.parent and os.getppid() != self.parent:
                self.should_exit = self.force_exit = True
        if self.drain_until and not self.gateway.inflight.calls:
            self.should_exit |= self._nobody_is_left()
        elif self.drain_until and time.monotonic() > self.drain_until:
            self.gateway.inflight.cut("the server is shutting down")
            self.should_exit = True
        return await super().on_tick(counter)

    def _nobody_is_left(self) -> bool:
        """Accept no more. True as soon as each connection that was accepted has been answered, or says nothing."""
        if not self.deaf_since:
            self.deaf_since = time.monotonic()
            for server in self.servers:
                server.close()
            return False  # what the loop has accepted shows at the next tick
        speechless = any(isinstance(c, Protocol) and c.waits_for_a_request for c in self.server_state.connections)
        return not speechless or time.monotonic() - self.deaf_since > LAST_WORDS


def run(app: GatewayApp, listener: socket.socket, parent: int = 0) -> None:
    """Serve `app` on the bound socket `listener` until a signal ends it. Raises StartError."""
    listener.setblocking(False)
    gc.collect()
    gc.freeze()  # what start-up made stays; looking through it again and again takes 5% of a busy process
    gc.set_threshold(20_000, 20, 50)
    server = GatewayServer(app, parent)
    server.run(sockets=[listener])
    if server.failure is not None:
        raise server.failure
