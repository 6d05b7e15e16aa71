"""A benchmark that starts its own engine: one document that grows level by level, is saved after each, and survives Ctrl-C.

return session.run_alone("latency", options, settings, file, work)     # work(session): what is measured on the running engine
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import busygpu
from benchmarks.errors import BenchError
from benchmarks.loadgen.client import run
from benchmarks.loadgen.generator import run_level
from benchmarks.loadgen.records import Level, Load, Progress, Request
from benchmarks.loadgen.target import Target, parse
from benchmarks.metrics.lateness import generator_ok
from benchmarks.prompts.requests import PromptOptions, build
from benchmarks.prompts.tokenizer import Tokenizer, find
from benchmarks.reports import document
from benchmarks.reports.terminal import Live
from benchmarks.stack import SLLM, Stack, model_folder

T = TypeVar("T")
LOGS = "logs"
ENDING = 5.0  # seconds that a stack whose engine is gone has to say so


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What every benchmark with an engine of its own takes. `model` as `sllm serve` takes it; None: the demo model."""

    model: str | None = None
    flags: tuple[str, ...] = ()  # the engine's own
    seed: int = 0
    timeout: float = 600.0  # seconds that one request may take
    anyway: bool = False  # measure although a GPU is busy
    command: str = "sllm bench"  # what was typed
    serve: tuple[str, ...] = SLLM  # a test starts something else


class Ended(Exception):
    """The run stops here and keeps what it has; the sentence says why."""


@dataclass
class Session:
    """One running engine and the document that is made of it."""

    options: EngineOptions
    stack: Stack
    made: dict[str, Any]
    file: Path
    live: Live
    stop: asyncio.Event
    tokenizer: Tokenizer
    target: Target
    tokens_by_request: int = 0

    async def prompts(self, asked: PromptOptions, count: int, salt: int) -> list[Request]:
        """`count` requests, or as many as a file has; another `salt` draws other ones. What was left out is told and noted."""
        notes: list[str] = []
        requests = await build(asked, self.tokenizer, self.stack.model, count, self.options.seed + salt, notes)
        for note in notes:
            if note not in (known := self.made["settings"].setdefault("prompt_notes", [])):
                known.append(note)
                self.live.say(note)
        return requests

    async def send(self, requests: Sequence[Request], load: Load, name: str, *, repeat: int = 0, quiet: bool = False) -> Level:
        """One level, not kept. Raises Ended where it was cut off, or where no request was answered. `quiet`: nothing is shown."""
        level = await self._run(requests, load, name, repeat, quiet)
        self.checked(level, name)
        return level

    async def level(
        self, requests: Sequence[Request], load: Load, name: str, *, repeat: int = 0, prompt_set: str = "", quiet: bool = False
    ) -> Level:
        """The same, kept in the document, also where Ended is raised."""
        level = await self._run(requests, load, name, repeat, quiet)
        self.keep(level, repeat, prompt_set)
        self.checked(level, name)
        return level

    async def _run(self, requests: Sequence[Request], load: Load, name: str, repeat: int, quiet: bool) -> Level:
        if not quiet:
            self.live.level(name, load)
        return await run_level(
            self.target,
            requests,
            load,
            seed=self.options.seed + repeat,
            timeout=self.options.timeout,
            on_progress=None if quiet else self.progress,
            stop=self.stop,
        )

    def progress(self, now: Progress) -> None:
        """Shown; tokens are counted by events, so where an answer comes in two of them `tokens_by_request` says what one brings."""
        by_request = self.tokens_by_request
        self.live.progress(replace(now, output_tokens=by_request * (now.done - now.failed)) if by_request else now)

    def keep(self, level: Level, repeat: int, prompt_set: str) -> None:
        entry = document.level_entry(level, repeat, None, prompt_set=prompt_set)
        self.made["levels"].append(entry)
        document.save(self.made, self.file)

    def checked(self, level: Level, name: str) -> None:
        if self.stop.is_set():
            raise Ended(f"interrupted at {name}")
        if level.partial:
            raise Ended(f"{name}: {level.partial}")
        failed = [record for record in level.records if record.error]
        if len(failed) == len(level.records):
            said = f"{failed[0].error}: {failed[0].detail}" if failed else "nothing was sent"
            raise Ended(f"{name}: no request was answered ({said})")

    async def warm_up(self, requests: Sequence[Request], concurrency: int) -> None:
        """Requests that no figure is made of. Raises BenchError when the engine answers none of them."""
        try:
            await self.send(requests, Load("closed", concurrency=min(concurrency, len(requests)), requests=len(requests)), "warm-up")
        except Ended as ended:
            if self.stop.is_set():
                raise
            raise BenchError(f"{self.stack.model} cannot be measured: {ended}; try it by hand with `sllm serve`") from None


def run_alone(
    kind: str, options: EngineOptions, settings: dict[str, Any], file: Path, work: Callable[[Session], Awaitable[None]]
) -> dict[str, Any]:
    """Start the engine, do `work`, end the engine. Returns the document, partial where something cut it short.

    Raises BenchError where nothing could be measured: the engine does not start, the prompts cannot be made.
    """
    busy = busygpu.check(anyway=options.anyway)
    made = document.new(kind, {**settings, **common(options)}, options.command, seed=options.seed)
    note: str | None = None
    with Live() as live:
        try:
            note = on_engine(options, None, made, file, live, work)
        except KeyboardInterrupt:
            note = "interrupted"
    finish(made, note, busy, file)
    return made


def finish(made: dict[str, Any], note: str | None, busy: str | None, file: Path) -> None:
    """Close the document and save it. `busy`: what is to be noted of a GPU that worked for others, though the run is whole."""
    made["checks"]["generator_ok"] = generator_ok(made["levels"])
    document.finish(made, note)
    made["note"] = "; ".join(filter(None, (made["note"], busy))) or None
    document.save(made, file)


def common(options: EngineOptions) -> dict[str, Any]:
    return {"model": options.model, "engine_flags": list(options.flags), "timeout": options.timeout}


def on_engine(
    options: EngineOptions,
    config: dict[str, Any] | None,
    made: dict[str, Any],
    file: Path,
    live: Live,
    work: Callable[[Session], Awaitable[None]],
    *,
    model: str | None = None,
    logs: Path | None = None,
) -> str | None:
    """One engine from start to end. Returns why `work` ended early, None when it did not. Raises BenchError, KeyboardInterrupt.

    `model`: a name in `config`, where that has models; else the options'. `logs`: where the engine's log is kept; else beside `file`.
    """
    served = model or options.model
    live.say(f"starting the engine of {served or 'the demo model'}")
    with suppress(ValueError):  # not on the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, also while no event loop runs
    with Stack(served, options.flags, config=config, logs=logs or file.parent / LOGS, command=options.serve) as stack:
        live.say(f"ready after {stack.ready_seconds:.1f} s")
        made["provenance"]["server"] = made["provenance"]["server"] or stack.server()
        made.setdefault("ready_seconds", round(stack.ready_seconds, 2))

        async def begin(stop: asyncio.Event) -> None:
            target = parse(stack.engine_target)
            folder = model_folder(options.model)
            local = folder if folder and (folder / "tokenizer.json").is_file() else None  # else the engine's own is asked
            tokenizer = await find(target, stack.model, local)
            await work(Session(options, stack, made, file, live, stop, tokenizer, target))

        try:
            run(interruptible(begin))
        except Ended as ended:
            why = None if str(ended).startswith("interrupted") else stack.ended(within=ENDING)
            return str(ended) + (f"; the engine ended: {why}" if why else "")
        except BenchError as error:
            if not made["levels"]:
                raise
            return error.message
    return None


async def interruptible(work: Callable[[asyncio.Event], Awaitable[T]]) -> T:
    """Run `work`; the first Ctrl-C or SIGTERM sets the event that it gets, a second one raises KeyboardInterrupt."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def asked_to_stop() -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError, RuntimeError):  # not on the main thread
            loop.add_signal_handler(number, asked_to_stop)
    try:
        return await work(stop)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, ValueError, RuntimeError):
                loop.remove_signal_handler(number)


def fitting(asked: PromptOptions, session: Session) -> PromptOptions:
    """The same with the engine's context length, so that prompts which cannot fit are told before they are sent."""
    length = (session.made["provenance"]["server"] or {}).get("max_model_len")
    return replace(asked, max_model_len=asked.max_model_len or length)
