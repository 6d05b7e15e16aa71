"""`sllm batch`: check the input, open the output, start who answers, run, sum up. Returns the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server import rundir
from server.batch.base import BadLine, Fixed
from server.batch.checking import Checked
from server.batch.formats import Input, open_input
from server.batch.ids import Ids
from server.batch.journal import Bits, Journal, errors_of
from server.batch.request import Limits
from server.errors import SLLMError, StartError, UsageError
from server.offline.job import Job
from server.offline.options import Options
from server.offline.progress import Progress, duration
from server.offline.target import Target, find
from server.settings import Settings
from server.state import Phase
from server.terminal.output import print_error, print_json

if TYPE_CHECKING:
    from server.gateway.app import GatewayApp

THERE = 128  # lines in flight at a server whose size is not known
AHEAD = 2  # lines read for each that may be in flight
SHOWN = 5  # wrong lines that are named before the run
LOOK = 0.1  # seconds
ORIGIN = 5.0  # seconds


def run_command(settings: Settings, options: Options) -> int:
    """Raises SLLMError for what is wrong before anything runs."""
    options.validate()
    if options.check:
        from server.offline.check import run_check

        return run_check(settings, options)
    assert options.out is not None
    _refuse_same(options.input, options.out)
    target = find(settings, options)
    if options.ray is not None:
        from server.offline import onray

        onray.refuse(target.settings, options.ray)
    source = opened(settings, options, target)
    out = options.out
    with Journal(out, b"") as journal:  # held before the input is read: a long check is not for nothing
        checked = look_through(source, target, out)
        journal.job = job_of(checked, source, target)
        journal.begin(options.mode, retry_failed=options.retry_failed)
        return _run(options, target, source, checked, journal)


def opened(settings: Settings, options: Options, target: Target) -> Input:
    """The input as the flags say. Raises UsageError, InvalidRequest."""
    return open_input(
        options.input,
        prompt=options.prompt,
        system=options.system,
        model=target.default,
        url=options.endpoint,
        format=options.format,
        defaults=options.defaults,
        limits=Limits(None, settings.batch.max_line),
    )


def job_of(checked: Checked, source: Input, target: Target) -> bytes:
    """What the results belong to: the input's bytes, what shapes its requests, and the model that runs them."""
    return hashlib.sha256(b"sllm batch\0" + checked.digest + source.identity() + target.identity.encode()).digest()


def look_through(source: Input, target: Target, out: Path) -> Checked:
    """All lines once, with a word about those that are wrong. Raises StartError where none can be run."""
    with Progress(source.path.stat().st_size, checking=True) as progress:
        checked, said = examine(source, target, SHOWN, progress)
        for line in said:
            progress.say(line)
        if 0 < checked.errors_total < checked.total:
            progress.say(f"{checked.errors_total:,} of {checked.total:,} lines cannot be run: they go to {errors_of(out)}")
    if checked.errors_total == checked.total:
        raise StartError(f"no line of {source.path} can be run: see above; nothing was written")
    return checked


def examine(source: Input, target: Target, first: int, progress: Progress) -> tuple[Checked, list[str]]:
    """The check, and sentences about the `first` wrong lines; about models that are not served one for each."""
    unknown: dict[str, None] = {}

    def known(model: str, url: str) -> bool:
        if target.known(model, url):
            return True
        if len(unknown) < first:
            unknown[model] = None
        return False

    checked = source.check(known=known, first=first, progress=lambda seen: progress.show(seen, 0, 0))
    said = [line.message for line in checked.errors if line.code != "model_not_found"]
    return checked, [*said, *(f"{target.unknown(name)}." for name in unknown)]


def _refuse_same(source: Path, out: Path) -> None:
    for path in (out, errors_of(out)):
        if path.exists() and source.exists() and path.samefile(source):
            raise UsageError(f"{path} is the input itself: name another output file")
    if out.is_dir():
        raise UsageError(f"{out} is a folder: name a file in it, such as {out / 'out.jsonl'}")


def _doubled(source: Input, checked: Checked) -> Bits:
    """The lines whose custom_id an earlier one has."""
    found = Bits()
    if checked.duplicates:
        with contextlib.closing(Ids()) as ids:
            for line in source:
                if line.custom_id is not None:
                    ids.add(line.custom_id, line.number, bad=isinstance(line, BadLine))
            for number, _ in ids.twice():
                found.add(number)
    return found


def _run(options: Options, target: Target, source: Input, checked: Checked, journal: Journal) -> int:
    before = journal.ok.count + journal.failed.count
    with Progress(checked.total) as progress:
        if before:
            on = "going on" if before < checked.total else "nothing is left to run"
            progress.say(f"{journal.out} has the results of {before:,} of {checked.total:,} lines: {on}")
        job = Job(source, checked, _doubled(source, checked), target, journal, progress, target.settings.batch.retries)
        if before < checked.total:
            import uvloop

            try:
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    runner.run(_serve(job, options))
            except SLLMError as error:
                job.failure = job.failure or error
    return _sum_up(job, before, as_json=options.as_json)


async def _serve(job: Job, options: Options) -> None:
    """The job with its engine and the gateway's pipeline around it."""
    from server.gateway.app import create_app
    from server.gateway.background import PipelineSend

    _catch_signals(job)
    if options.ray is not None:
        from server.offline import onray

        await onray.serve(job, options.ray, options.ray_replicas)
        return
    settings = job.target.ready(job.checked.models)
    async with _engines(settings, job) as (state_path, fitting):
        if job.stop.is_set():
            return
        app = create_app(settings, state_path, lambda lines: None)
        await app.prepare()
        async with app.router.lifespan_context(app):
            await _until_known(app, job.stop)
            gc.collect()
            gc.freeze()  # what start-up made stays
            gc.set_threshold(20_000, 20, 50)
            configured = settings.batch.concurrency
            most = configured if isinstance(configured, int) else fitting
            await job.run(PipelineSend(app), Fixed(most), most * AHEAD, settings.gateway.drain_timeout)


async def _until_known(app: GatewayApp, stop: asyncio.Event) -> None:
    """Until the pipeline knows its engines, and for a moment until it knows what they have loaded: the cache asks for that."""
    began = time.monotonic()
    while not stop.is_set() and not all(engine.ready for engine in app.catalogue.engines.values()):
        await asyncio.sleep(LOOK)
    while app.kept is not None and any(target.origin is None for target in app.catalogue.targets.values()):
        if stop.is_set() or time.monotonic() - began > ORIGIN:
            return
        await asyncio.sleep(LOOK)


@contextlib.asynccontextmanager
async def _engines(settings: Settings, job: Job) -> AsyncIterator[tuple[Path | None, int]]:
    """The engine of the job, ready; its state file and how many lines keep it full. At a URL there is none."""
    if job.target.url is not None:
        yield None, THERE
        return
    from server.offline.hosted import Hosted, concurrency, hosted

    rundir.check_data_dir(settings.gateway.data_dir)
    began = time.monotonic()

    def changed(up: Hosted) -> None:
        job.progress.waits("" if up.ready else up.phases())
        for state in up.state.engines.values():
            if state.phase is Phase.RESTARTING:
                job.progress.say(f"{state.model}: {state.detail}")

    async with hosted(settings, lambda line: None, changed) as up:
        up.given_up.add_done_callback(lambda told: None if told.cancelled() else job.fail(told.result()))
        while not up.ready and not job.stop.is_set():
            job.draw()
            await asyncio.sleep(LOOK)
        if not job.stop.is_set():
            job.progress.waits("")
            job.progress.say(f"the engine is ready after {time.monotonic() - began:.0f} s")
        try:
            yield up.state_path, concurrency(settings.models, up.machine)
        finally:
            if job.hurry.is_set():
                up.grace = 0.0


def _catch_signals(job: Job) -> None:
    def caught() -> None:
        if job.stop.is_set():
            job.progress.say("ending at once")
            job.hurry.set()
        else:
            job.progress.say("stopping: lines that run may finish; once more to end at once")
            job.stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup stays as it is
            asyncio.get_running_loop().add_signal_handler(number, caught)


def _sum_up(job: Job, before: int, *, as_json: bool) -> int:
    journal, totals = job.journal, job.totals
    ok, failed = journal.ok.count, journal.failed.count
    left = job.checked.total - ok - failed
    rate = totals.completion_tokens / job.seconds if job.seconds else 0.0
    code = 0 if not left and not failed and job.failure is None else 1
    again = "run the same command to go on"
    if as_json:
        said: dict[str, Any] = {
            "lines": job.checked.total,
            "ok": ok,
            "failed": failed,
            "left": left,
            "done_before": before,
            "seconds": round(job.seconds, 3),
            "prompt_tokens": totals.prompt_tokens,
            "output_tokens": totals.completion_tokens,
            "output_tokens_per_second": round(rate, 1),
            "sent_again": totals.again,
            "output": str(journal.out),
            "errors": str(journal.errors) if failed else None,
        }
        if job.failure is not None:
            said["error"] = {"message": job.failure.message, "exit_code": code}
        print_json(said)
        return code
    this = ok + failed - before
    spent = f" in {duration(job.seconds)}, {totals.completion_tokens:,} output tokens, {rate:,.0f} tokens/s" if this else ""
    print(f"{'Done' if not left else 'Stopped'}: {this:,} lines{spent}")
    if ok:
        print(f"  {ok:,} ok: {journal.out}")
    if failed:
        print(f"  {failed:,} failed: {journal.errors} says why; --retry-failed runs them again")
    if left:
        print(f"  {left:,} left: {again}")
    if job.failure is not None:
        print_error(job.failure.message, code)
    return code
