"""`sllm batch --ray`: the same job, its lines run by Ray Data LLM on a cluster (server/batch/rayrun.py).

What differs from a run on one machine is said at the start: the cache is not asked, guards and personas are refused.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from server.batch import rayrun
from server.batch.base import BadLine, Line, Result
from server.batch.rayrun import Cluster, Engines
from server.engine import argv, resolve
from server.engine.machine import Machine
from server.errors import StartError, UsageError
from server.offline.job import Job
from server.settings import Model, Settings

PASSED_ON = ("HF_HUB_OFFLINE", "HF_ENDPOINT", "TRANSFORMERS_OFFLINE")  # variables that the engines get, beside VLLM_*
SEQUENCES_ON_GPU = 1024  # most that vLLM runs at a time by default
GRACE = 1.0  # seconds after a stop: what runs on the cluster is not waited for
AHEAD = 64  # results that may wait for the journal
STORE = 256 * 2**20  # bytes of the object store of a cluster that is started here
OURS = ("scheduler-cls",)  # flags whose code lies on this machine only
SKIPPED = "with --ray the cache is not asked and keeps nothing"


def refuse(settings: Settings, address: str) -> None:
    """Raise UsageError for what a run on a cluster would leave out, StartError where there is no cluster."""
    if settings.guards:
        names = ", ".join(guard.name for guard in settings.guards)
        raise UsageError(
            f"--ray runs no guards, and the configuration has some ({names}): leave out --ray, or give --config a file without `guards:`"
        )
    rayrun.ready(address)


async def serve(job: Job, address: str, wanted: int | Literal["auto"]) -> None:
    """Run what is left of the job on the cluster. Raises SLLMError for what is wrong before it runs."""
    settings = job.target.ready(job.checked.models)
    model = settings.models[0]
    folder = resolve.local(model.path or "")
    found = await resolve.resolve(model, job.progress.waits)
    job.progress.waits("joining the Ray cluster")
    # In a thread: in the main one Ray takes the signals for itself.
    cluster = await asyncio.to_thread(rayrun.connect, address, None if folder is None else str(folder), memory=STORE)
    try:
        engines = engines_of(model, found, cluster, folder, settings)
        count, takes = rayrun.replicas(cluster, engines, wanted)
        nodes = f"{len(cluster.nodes)} node{'s' * (len(cluster.nodes) > 1)}"
        job.progress.say(f"Ray: {nodes}, {count} replica{'s' * (count > 1)} on {'GPUs' if cluster.kind == 'cuda' else 'CPUs'}; {SKIPPED}")
        job.progress.waits("the engines are loading")
        await run(job, rayrun.run(cluster, engines, count, takes, job.source, await skipped(job)))
    finally:
        rayrun.close()


def engines_of(model: Model, found: resolve.Resolved, cluster: Cluster, folder: Path | None, settings: Settings) -> Engines:
    """A replica of `model` on the cluster's machines: the flags that `sllm serve` gives its engine there."""
    nodes = [node for node in cluster.nodes if node.engine]
    if not nodes:
        raise StartError(f"no node of the cluster has vLLM: {rayrun.INSTALL} on each, and start Ray from that environment")
    smallest = min(nodes, key=lambda node: (node.memory, node.cpus))
    machine = Machine(kind=cluster.kind, cpus=smallest.cpus, memory=smallest.memory, version=smallest.version, command=())
    model = model.model_copy(update={"engine_args": {**dict.fromkeys(OURS), **model.engine_args}})
    parts = argv.Parts(
        model=model,
        checkpoint=found.checkpoint,
        socket=Path("none"),
        adapters=found.adapters,
        adapter_rank=found.adapter_rank,
        draft=found.draft,
        manifest=found.manifest,
    )
    variables = {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith("VLLM_")}
    command = argv.command(parts, machine, variables)
    words = [*command.argv[1:], *(["--revision", model.revision] if folder is None and model.revision else [])]
    flags = argv.engine_args(parts)
    configured = settings.batch.concurrency
    return Engines(
        argv=[str(folder or model.path), *words],
        env=command.env,
        task=argv.task_of(parts),
        tensor_parallel=int(flags.get("tensor-parallel-size") or 1),
        pipeline_parallel=int(flags.get("pipeline-parallel-size") or 1),
        sequences=configured if isinstance(configured, int) else command.slots or SEQUENCES_ON_GPU,
    )


async def skipped(job: Job) -> bytes:
    """A bit a line: those that are not sent. The bad ones among them are kept."""
    bits = bytearray()
    for line in job.source:
        if line.number not in job.journal:
            judged = _judged(job, line)
            if isinstance(judged, Line):
                continue
            job.keep(judged)
        if len(bits) <= line.number // 8:
            bits.extend(bytes(line.number // 8 + 1 - len(bits)))
        bits[line.number // 8] |= 1 << line.number % 8
    return bytes(bits)


def _judged(job: Job, line: Line | BadLine) -> Line | BadLine:
    judged = job.judged(line)
    if isinstance(judged, Line) and judged.model in job.target.settings.personas:
        text = f"Line {line.number}: '{judged.model}' is a persona, which --ray does not know: name its model, or leave out --ray."
        return BadLine(line.number, judged.custom_id, "persona_on_ray", text)
    return judged


def _count(job: Job, result: Result) -> None:
    totals, answer = job.totals, result.answer
    assert answer is not None
    totals.ok += answer.ok
    totals.failed += not answer.ok
    totals.prompt_tokens += answer.prompt_tokens
    totals.completion_tokens += answer.completion_tokens


async def run(job: Job, results: Iterator[Result]) -> None:
    """Keep `results` as they come: they are waited for in a thread, and kept in the loop."""
    await job.finish(_taken(job, results), GRACE)


async def _taken(job: Job, results: Iterator[Result]) -> None:
    from server.gateway.answers import normalise

    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[Result | BaseException | None] = asyncio.Queue()
    room = threading.Semaphore(AHEAD)

    def take() -> None:
        last: BaseException | None = None
        try:
            for result in results:
                room.acquire()
                if job.stop.is_set():
                    break
                loop.call_soon_threadsafe(waiting.put_nowait, result)
        except BaseException as error:
            last = error
        loop.call_soon_threadsafe(waiting.put_nowait, last)

    threading.Thread(target=take, daemon=True).start()
    stopping = asyncio.create_task(job.stop.wait())
    try:
        while True:
            getting = asyncio.create_task(waiting.get())
            await asyncio.wait({getting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done():
                getting.cancel()
                return  # what runs on the cluster ends with this process, and is run again next time
            result = getting.result()
            if result is None:
                return
            if isinstance(result, BaseException):
                raise result
            answer = result.answer
            if answer is not None and answer.status >= 400:
                body, _ = normalise(answer.status, answer.body, result.line.url, result.line.model)
                result = replace(result, answer=replace(answer, body=body))
            await job.journal.room.wait()
            job.keep(result)
            _count(job, result)
            job.progress.waits("")
            room.release()
    finally:
        stopping.cancel()
