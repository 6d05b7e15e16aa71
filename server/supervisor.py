"""The supervisor: one process that owns the listening socket, the gateway workers and the engines.

In this order: what can be checked is checked, the socket is bound, the gateway's workers start and listen, and only
then is any model looked at. A worker that dies is started again; an engine looks after itself (server/engine/engine.py).
SIGTERM and SIGINT drain: workers finish what runs and refuse what comes, then the engines end. A second one hurries.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Literal

from server import rundir
from server.engine import argv, kvcache, machine, resolve
from server.engine.engine import Build, Engine, Stack
from server.errors import StartError
from server.settings import Model, Settings
from server.state import EngineState, Phase, StackState, write_state
from server.workers import PROGRAM, Workers

LAST_TOKEN_EVERY = 1.0  # seconds between two writes of the state when only `last_token` moved
ENGINE_GRACE = 5.0  # seconds for an engine without requests to end


def say(line: str) -> None:
    """One line for people, on stderr."""
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def run(settings: Settings, *, on_ready: Callable[[], None] | None = None) -> int:
    """Serve until a signal ends it; the exit code. `on_ready` is called once, when every engine is ready.

    Raises StartError (PortTaken, ModelNotFound, DiskFull, ...) for what can be seen before anything heavy starts.
    """
    return asyncio.run(Supervisor(settings, on_ready).run())


class Supervisor:
    """`look`, `build` and `program` find the machine, make an engine's command, and are a worker's; a test gives its own."""

    def __init__(
        self,
        settings: Settings,
        on_ready: Callable[[], None] | None = None,
        *,
        look: Callable[[Literal["auto", "cuda", "cpu"]], machine.Machine] = machine.look,
        build: Build = argv.command,
        program: Sequence[str] = PROGRAM,
    ):
        self.settings, self.on_ready = settings, on_ready
        self.look, self.build, self.program = look, build, program
        self.state = StackState()
        self.ended = asyncio.Event()
        self.hurry = asyncio.Event()
        self.written = 0.0

    async def run(self) -> int:
        for model in self.settings.models:
            if model.path:
                resolve.check(model)
        ours = [model for model in self.settings.models if model.path]
        host = self.look(self.settings.engine) if ours else None
        if host:
            for model in ours:
                kvcache.check(model, host)
        rundir.check_data_dir(self.settings.gateway.data_dir)
        listener = rundir.listen(self.settings.gateway.host, self.settings.gateway.port)
        with listener, rundir.private() as folder:
            self._catch_signals()
            self.settings = self._with_port(listener.getsockname()[1])
            (folder / "settings.json").write_text(self.settings.model_dump_json())
            self.state_path = folder / "state.json"
            self._write()
            workers = Workers(self.settings.gateway, listener, folder, say, self.program)
            try:
                async with asyncio.TaskGroup() as group:
                    kept = group.create_task(workers.keep())
                    say(f"listening on {rundir.url(self.settings.gateway.host, self.settings.gateway.port)}")
                    engines = self._engines(ours, host, folder) if host else []
                    served = group.create_task(self._serve(engines))
                    ended = group.create_task(self.ended.wait())
                    await asyncio.wait({served, ended}, return_when=asyncio.FIRST_COMPLETED)
                    await self._drain(workers, engines)
                    for task in (served, ended, kept):
                        task.cancel()
            except BaseExceptionGroup as group:
                raise _cause(group) from None
            finally:
                await workers.kill()
        return 0 if served.cancelled() else served.result()

    def _engines(self, models: list[Model], host: machine.Machine, folder: Path) -> list[Engine]:
        # Two engines that start on one GPU at once disturb each other's measure of free memory.
        stack = Stack(
            settings=self.settings,
            machine=host,
            run_dir=folder,
            log_dir=self.settings.gateway.data_dir / "logs",
            publish=self._publish,
            say=say,
            build=self.build,
            gate=asyncio.Semaphore(1 if host.kind == "cuda" else host.cpus),
        )
        return [Engine(model, number, stack) for number, model in enumerate(models)]

    async def _serve(self, engines: list[Engine]) -> int:
        """Run the engines until they were stopped; 1 when every one of them was given up and nothing else is served."""
        if not engines and self.on_ready:
            self.on_ready()
        results = await asyncio.gather(*(engine.run() for engine in engines), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, StartError):
                raise result
        if any(model.upstreams for model in self.settings.models):
            await self.ended.wait()
            return 0
        return 1 if all(isinstance(result, StartError) for result in results) else 0

    def _publish(self, engine: EngineState) -> None:
        before = self.state.engines.get(engine.model)
        self.state = StackState({**self.state.engines, engine.model: engine}, self.state.draining)
        telling = attrgetter("phase", "detail", "pid", "weights")
        same = before is not None and telling(before) == telling(engine)
        if not same or time.monotonic() - self.written >= LAST_TOKEN_EVERY:
            self._write()
        models = {model.name for model in self.settings.models if model.path}
        ready = {name for name, state in self.state.engines.items() if state.phase == Phase.READY}
        if self.on_ready and models <= ready:
            call, self.on_ready = self.on_ready, None
            call()

    def _write(self) -> None:
        self.written = time.monotonic()
        with contextlib.suppress(OSError):  # a full disk must not end what runs
            write_state(self.state_path, self.state)

    async def _drain(self, workers: Workers, engines: list[Engine]) -> None:
        self.state = StackState(self.state.engines, draining=True)
        self._write()
        grace = self.settings.gateway.drain_timeout
        draining = asyncio.create_task(workers.drain(grace))
        hurry = asyncio.create_task(self.hurry.wait())
        await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
        await workers.kill()
        draining.cancel()
        hurry.cancel()
        await asyncio.gather(*(engine.stop(0 if self.hurry.is_set() else ENGINE_GRACE) for engine in engines))
        if self.ended.is_set():
            say("stopped")

    def _catch_signals(self) -> None:
        def caught() -> None:
            if self.ended.is_set():
                say("ending at once")
                self.hurry.set()
            else:
                say("stopping: running requests may finish; once more to end at once")
                self.ended.set()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays as it is
                asyncio.get_running_loop().add_signal_handler(number, caught)

    def _with_port(self, port: int) -> Settings:
        gateway = self.settings.gateway.model_copy(update={"port": port})
        return self.settings.model_copy(update={"gateway": gateway})


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The StartError somewhere in `group`, else the first error that is no group."""
    leaves: list[BaseException] = []
    groups: list[BaseException] = [group]
    while groups:
        error = groups.pop(0)
        if isinstance(error, BaseExceptionGroup):
            groups[:0] = error.exceptions
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, StartError)), leaves[0])
