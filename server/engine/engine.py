"""One engine's life: resolve, start, warm up, watch, restart with back-off, and give up with the cause in words.

RESOLVING -> LOADING -> WARMING_UP -> READY -> (died or stalled) RESTARTING -> LOADING ...
                 \\-> FAILED after `restart.attempts` failed starts, or at once where trying again cannot help
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from server.engine import argv, diagnose, digests, kvcache, manifest, plugins, watch
from server.engine.machine import Machine
from server.engine.planner import calibration
from server.engine.process import EngineProcess
from server.engine.resolve import Resolved, resolve
from server.engine.shares import Need, gpu_shares
from server.errors import EngineFailed, StartError
from server.settings import Model, Settings
from server.state import EngineState, Phase

T = TypeVar("T")
STOPPED = diagnose.Diagnosis("stopped")
Publish = Callable[[EngineState], None]
Say = Callable[[str], None]
Build = Callable[[argv.Parts, Machine, Mapping[str, str]], argv.Command]


@dataclass(frozen=True)
class Stack:
    """What the engines of one stack share. `say` prints a line for people; `gate` lets so many engines start at once.

    `build` makes the command of an engine; a test gives its own.
    """

    settings: Settings
    machine: Machine
    run_dir: Path
    log_dir: Path
    publish: Publish
    say: Say
    gate: asyncio.Semaphore
    build: Build = argv.command
    needs: dict[str, asyncio.Future[Need | None]] = field(default_factory=dict)


class Engine:
    """One model's engine. `run()` returns when it was told to stop, and raises EngineFailed or StartError when given up."""

    def __init__(self, model: Model, number: int, stack: Stack):
        self.model, self.stack = model, stack
        self.socket = stack.run_dir / f"e{number}.sock"
        self.log = stack.log_dir / f"engine-{_file_name(model.name)}.log"
        self.process: EngineProcess | None = None
        self.work: asyncio.Task[Any] | None = None
        self.reading: asyncio.Task[None] | None = None  # the digests of what is loaded
        self.comparing: asyncio.Task[None] | None = None  # the plan with the engine's own figures
        self.stopping = False
        self.phase_began = time.monotonic()
        self.state = EngineState(model=model.name, phase=Phase.RESOLVING, since=time.time(), address=f"unix:{self.socket}")
        stack.needs[model.name] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        try:
            self._enter(Phase.RESOLVING)
            parts = await self._parts()
            await self._keep_running(parts)
        except (StartError, OSError) as error:
            cause = error if isinstance(error, StartError) else EngineFailed(f"the engine cannot be started: {error}")
            self._enter(Phase.FAILED, cause.message)
            raise cause from None
        finally:
            self.stopping = True
            if not (told := self.stack.needs[self.model.name]).done():
                told.set_result(None)  # the others need not wait for one that failed
            if self.process:
                await self.process.kill()

    async def stop(self, grace: float) -> None:
        """Let running requests end for up to `grace` seconds, then end the tree."""
        self.stopping = True
        if self.work:
            self.work.cancel()  # no more questions to an engine that ends
        if self.process:
            await self.process.stop(grace)
        if self.state.phase != Phase.FAILED:
            self._enter(Phase.STOPPED)

    async def _parts(self) -> argv.Parts:
        def report(detail: str) -> None:
            self._update(detail=detail)

        self.found: Resolved = await resolve(self.model, report)
        found = self.found
        task = found.checkpoint.task if self.model.task == "auto" else self.model.task
        plugins.check(found.checkpoint, self.stack.machine.version)
        kvcache.check(self.model, self.stack.machine, found.checkpoint)
        for line in manifest.remarks(found.manifest, self.stack.machine.version, self.stack.machine.kind):
            self.stack.say(f"{self.model.name}: {line}")
        if task == "generate" and not (found.checkpoint.chat_template or self.model.chat_template):
            self.stack.say(f"{self.model.name}: no chat template: only /v1/completions answers; set `chat_template: FILE` for chat")
        self.stack.needs[self.model.name].set_result(Need(task, found.checkpoint.weight_bytes // _gpus(self.model)))
        card = manifest.card(found.manifest, found.checkpoint.quantization, found.checkpoint.bits)
        self._update(task=task, max_model_len=found.checkpoint.max_model_len, quantization=card)
        share = None
        if self.stack.machine.kind == "cuda":
            needs = {name: need for name, told in self.stack.needs.items() if (need := await told)}
            share = gpu_shares(needs, self.stack.machine.gpu_memory)[self.model.name]
        return argv.Parts(
            model=self.model,
            checkpoint=found.checkpoint,
            socket=self.socket,
            engines=len(self.stack.needs),
            share=share,
            adapters=found.adapters,
            adapter_rank=found.adapter_rank,
            draft=found.draft,
            manifest=found.manifest,
            drain=self.stack.settings.gateway.drain_timeout,
        )

    async def _keep_running(self, parts: argv.Parts) -> None:
        limits = self.stack.settings.restart
        failures, wait = 0, limits.first
        while not self.stopping:
            began = time.monotonic()
            ready, found = await self._once(parts)
            if self.stopping:
                return
            failures = 0 if ready else failures + 1
            if failures >= limits.attempts or not (ready or found.retry):
                tried = f" ({failures} starts failed)" if failures > 1 else ""
                raise EngineFailed(f"{found.sentence}{tried}; log: {self.log}")
            if ready and time.monotonic() - began > limits.max:
                wait = limits.first  # it ran well for a while
            self._enter(Phase.RESTARTING, f"{found.sentence}; starting again in {wait:.0f} s", restarts=self.state.restarts + 1)
            await asyncio.sleep(wait)
            wait = min(wait * 2, limits.max)

    async def _once(self, parts: argv.Parts) -> tuple[bool, diagnose.Diagnosis]:
        """One process from its start to its end. Returns whether it became ready, and why it ended."""
        command = self.stack.build(parts, self.stack.machine, os.environ)
        client = watch.EngineClient(f"unix:{self.socket}", self.model.name, argv.task_of(parts), priority=argv.takes_priority(parts))
        async with self.stack.gate:
            if self.stopping:
                return False, STOPPED
            self._enter(Phase.LOADING, weights="", template="", adapters={})
            self._begin_reading()
            self.socket.unlink(missing_ok=True)
            self.process = process = await EngineProcess.start(command.argv, command.env, self.log)
            self._update(pid=process.pid)
            timeout = self.stack.settings.watchdog.start_timeout
            facts = await self._until_it_ends(process, watch.until_ready(client, lambda: self._enter(Phase.WARMING_UP)), timeout)
        if self.stopping:
            return False, STOPPED
        if facts is None:
            if process.exited.done():
                return False, diagnose.explain(process.tail(), process.exited.result())
            await process.kill()
            return False, diagnose.Diagnosis(f"not ready after {timeout:.0f} s: raise `watchdog.start_timeout` if the model is large")
        length = facts.max_model_len or self.state.max_model_len
        self._update(takes_priority=argv.takes_priority(parts), slots=command.slots)
        self._enter(Phase.READY, max_model_len=length, engine_version=facts.version, last_token=time.time())
        self.comparing = asyncio.create_task(self._compare(parts, facts.version))

        def progressed() -> None:
            self._update(last_token=time.time())

        computed = process.cpu_seconds if self.stack.machine.kind == "cpu" else None
        watching = watch.until_stalled(client, self.stack.settings.watchdog, progressed, computed=computed)
        stalled = await self._until_it_ends(process, watching)
        if self.stopping:
            return True, STOPPED
        if stalled is None:
            return True, diagnose.explain(process.tail(), process.exited.result())
        await process.kill()
        return True, diagnose.Diagnosis(f"the engine stalled: {stalled}")

    def _begin_reading(self) -> None:
        """Find out what is loaded. Until it is known nothing is answered from the cache; nothing waits for it."""
        if self.reading:
            self.reading.cancel()
        if self.stack.settings.cache.store != "off":
            self.reading = asyncio.create_task(self._read_digests())

    async def _read_digests(self) -> None:
        memo = self.stack.settings.gateway.data_dir / digests.FILE
        try:
            found = await asyncio.to_thread(digests.of, self.found, self.model, memo, lambda: self.stopping)
        except digests.Stopped:
            return
        except OSError as error:
            self.stack.say(f"{self.model.name}: its answers are not cached: cannot read what it has loaded ({error})")
            return
        self._update(weights=found.weights, template=found.template, adapters=found.adapters)

    async def _compare(self, parts: argv.Parts, version: str) -> None:
        """Hold the plan against the figures that the engine has logged (`sllm plan --calibration`). Nothing waits for it."""
        with contextlib.suppress(Exception):  # a plan that cannot be made is no fault of the engine's
            await asyncio.to_thread(calibration.note, parts, self.stack.machine, self.log, version, self.stack.settings.gateway.data_dir)

    async def _until_it_ends(self, process: EngineProcess, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T | None:
        """The result of `work`, or None where the process ends, we stop, or the time is up, before it comes."""
        self.work = asyncio.create_task(work)
        try:
            await asyncio.wait({self.work, process.exited}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            return self.work.result() if self.work.done() and not self.work.cancelled() else None
        finally:
            self.work.cancel()

    def _enter(self, phase: Phase, detail: str = "", **changes: object) -> None:
        now = time.monotonic()
        took = f" after {now - self.phase_began:.1f} s" if phase in (Phase.WARMING_UP, Phase.READY) else ""
        if phase != Phase.WARMING_UP:
            self.phase_began = now if phase != Phase.READY else self.phase_began
        self.stack.say(f"{self.model.name}: {phase}{took}{': ' + detail if detail else ''}")
        self._update(phase=phase, since=time.time(), detail=detail, **changes)

    def _update(self, **changes: object) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)
        self.stack.publish(self.state)


def _gpus(model: Model) -> int:
    """How many GPUs the weights are divided among."""
    named = next((v for k, v in model.engine_args.items() if k.lstrip("-").replace("_", "-") == "tensor-parallel-size"), 1)
    return max(1, int(named)) if str(named).isdigit() else 1


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
