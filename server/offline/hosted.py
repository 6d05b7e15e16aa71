"""The engines of a job: started under their guardians as `sllm serve` does, reached over private sockets, ended with the job."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from server import rundir
from server.engine import argv, kvcache, machine, resolve
from server.engine.engine import Build, Engine, Stack
from server.errors import StartError
from server.settings import Model, Settings
from server.state import EngineState, Phase, StackState, write_state

GRACE = 5.0  # seconds for an engine without requests to end
SEQUENCES_ON_GPU = 1024  # most that vLLM runs at a time by default
KEPT_FULL = 2  # lines in flight for each sequence that the engine runs: the next is there as soon as one ends


@dataclass
class Hosted:
    """Engines that run. `given_up` ends with why, once one of them was given up for good. `grace` in seconds."""

    state_path: Path
    state: StackState
    given_up: asyncio.Future[StartError]
    machine: machine.Machine
    grace: float = GRACE

    @property
    def ready(self) -> bool:
        return bool(self.state.engines) and all(state.phase is Phase.READY for state in self.state.engines.values())

    def phases(self) -> str:
        """In words, for those that are not ready: `demo: loading`."""
        waits = [state for state in self.state.engines.values() if state.phase is not Phase.READY]
        return ", ".join(f"{state.model}: {state.phase.value}{f' ({state.detail})' if state.detail else ''}" for state in waits)


@contextlib.asynccontextmanager
async def hosted(
    settings: Settings, say: Callable[[str], None], changed: Callable[[Hosted], None], *, build: Build = argv.command
) -> AsyncIterator[Hosted]:
    """The models of `settings` that have a `path`, each in its engine. `say` gets lines for people, `changed` what changed of them.

    Raises StartError for what can be seen before anything heavy starts.
    """
    models = [model for model in settings.models if model.path]
    for model in models:
        resolve.check(model)
    host = machine.look(settings.engine)
    for model in models:
        kvcache.check(model, host)
    with rundir.private() as folder:
        up = Hosted(folder / "state.json", StackState(), asyncio.get_running_loop().create_future(), host)
        write_state(up.state_path, up.state)
        ending = False

        def publish(state: EngineState) -> None:
            before = up.state.engines.get(state.model)
            up.state = StackState({**up.state.engines, state.model: state})
            with contextlib.suppress(OSError):  # a full disk must not end what runs
                write_state(up.state_path, up.state)
            if not ending and (before is None or before.phase is not state.phase or before.detail != state.detail):
                changed(up)

        gate = asyncio.Semaphore(1 if host.kind == "cuda" else host.cpus)
        logs = settings.gateway.data_dir / "logs" / "batch"  # beside those of a stack that runs at the same time
        stack = Stack(settings, host, folder, logs, publish, say, gate, build)
        engines = [Engine(model, number, stack) for number, model in enumerate(models)]
        running = [asyncio.create_task(_run(engine, up.given_up)) for engine in engines]
        try:
            yield up
        finally:
            ending = True
            await asyncio.gather(*(engine.stop(up.grace) for engine in engines))
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


async def _run(engine: Engine, given_up: asyncio.Future[StartError]) -> None:
    try:
        await engine.run()
    except StartError as error:
        if not given_up.done():
            given_up.set_result(error)


def concurrency(models: tuple[Model, ...], host: machine.Machine) -> int:
    """Lines in flight that keep every engine full."""
    return sum(KEPT_FULL * _sequences(model, host) for model in models if model.path)


def _sequences(model: Model, host: machine.Machine) -> int:
    named = next((v for k, v in model.engine_args.items() if k.lstrip("-").replace("_", "-") == "max-num-seqs"), None)
    if named is not None and str(named).isdigit():
        return max(1, int(str(named)))
    return argv.SEQUENCES_ON_CPU if host.kind == "cpu" else SEQUENCES_ON_GPU
