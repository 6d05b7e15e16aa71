"""The gateway's worker processes: they share the supervisor's listening socket, and one that dies is started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from server.errors import StartError
from server.settings import ROOT, Gateway
from server.state import HOPELESS

PROGRAM = (sys.executable, "-m", "server.gateway")
FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0  # seconds before a dead worker is started again; doubles
FAST_DEATHS = 4  # in a row, where no worker ever lived long: it cannot start at all
KILL_AFTER = 2.0  # seconds beyond the drain timeout


class Workers:
    """`program` is what a worker runs before its arguments; a test gives its own.

    A worker's stdin is a pipe of ours: its end means that the supervisor is gone.
    """

    def __init__(
        self,
        gateway: Gateway,
        listener: socket.socket,
        folder: Path,
        say: Callable[[str], None],
        program: Sequence[str] = PROGRAM,
    ):
        self.count, self.listener, self.say = gateway.workers, listener, say
        self.words = [*program, "--fd", str(listener.fileno()), "--settings", str(folder / "settings.json")]
        self.words += ["--state", str(folder / "state.json")]
        self.running: set[asyncio.subprocess.Process] = set()
        self.draining = False
        self.started = False

    async def keep(self) -> None:
        """Start the workers and keep that many running until `drain`. Raises StartError where they cannot start at all."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.count):
                group.create_task(self._keep_one(number))

    async def _keep_one(self, number: int) -> None:
        wait, fast_deaths = FIRST_WAIT, 0
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        while not self.draining:
            began = asyncio.get_running_loop().time()
            worker = await asyncio.create_subprocess_exec(
                *self.words,
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(self.listener.fileno(),),
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C in the terminal is for the supervisor
            )
            self.running.add(worker)
            try:
                code = await worker.wait()
            finally:
                self.running.discard(worker)
            if self.draining:
                return
            lived = asyncio.get_running_loop().time() - began > LONGEST_WAIT
            self.started |= lived
            wait, fast_deaths = (FIRST_WAIT, 0) if lived else (min(wait * 2, LONGEST_WAIT), fast_deaths + 1)
            if (fast_deaths >= FAST_DEATHS or code == HOPELESS) and not self.started:
                raise StartError(f"the gateway does not start (exit {code}): what it said stands above")
            self.say(f"gateway worker {number} ended (exit {code}): starting again in {wait:g} s")
            await asyncio.sleep(wait)

    async def drain(self, timeout: float) -> None:
        """SIGTERM: finish what runs, refuse what comes. Returns when all have ended, or a little after `timeout` seconds.

        Our own hold on the listening socket is given up: once the last worker is gone, a client is refused at once,
        instead of waiting in the backlog until the engines have ended.
        """
        self.draining = True
        self._signal(signal.SIGTERM)
        self.listener.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended(), timeout + KILL_AFTER)

    async def kill(self) -> None:
        """SIGKILL those that are left."""
        self.draining = True
        self._signal(signal.SIGKILL)
        await self._ended()

    async def _ended(self) -> None:
        await asyncio.gather(*(worker.wait() for worker in self.running))

    def _signal(self, number: signal.Signals) -> None:
        for worker in self.running:
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(number)
