"""The file of `sllm bench sweep`: models x engine flags x load, read and checked.

    models: [demo, {model: Qwen/Qwen3-0.6B, name: qwen}, {shape: Llama-3.2-1B, format: gptq}]
    flags:  [{name: default}, {name: seqs-8, engine: [--max-num-seqs, "8"]}]
    load:   {concurrency: [1, 8], rate: [4], requests: 64, prompts: [{input_tokens: 128, output_tokens: 64}]}

Every key is optional but `models`. A key that is not known is an error that names the file, the place and the known ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Load
from benchmarks.metrics import slo
from benchmarks.prompts.options import PromptOptions
from benchmarks.runs.loads import loads, named
from benchmarks.suite.shapes import SHAPES
from benchmarks.suite.steps import LIMIT
from benchmarks.suite.tensors import FORMATS

TOP = {"models": list, "flags": list, "load": dict, "seed": int, "limit": (int, float)}
MODEL = {"name": str, "model": str, "shape": str, "format": str}
FLAGS = {"name": str, "engine": list, "config": dict}
NUMBER = (int, float)
LOAD = {
    "concurrency": list,
    "rate": list,
    "requests": int,
    "seconds": NUMBER,
    "burstiness": NUMBER,
    "max_concurrency": int,
    "prompts": list,
    "repeat": int,
    "warm_up": int,
    "slo": str,
    "timeout": NUMBER,
    "through": str,
}
PROMPTS = {"name": str, **{field.name: object for field in fields(PromptOptions) if field.name != "max_model_len"}}
WAYS = ("gateway", "engine")
LONGEST = 24 * 3600.0  # seconds of a cell


def read(file: Path) -> dict[str, Any]:
    """The matrix with every default filled in, as plain JSON. Raises BenchUsageError."""
    import yaml

    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise BenchUsageError(f"{file} is not a text file: give the YAML file of a matrix") from None
    except OSError as error:
        raise BenchUsageError(f"{file} cannot be read ({error.strerror}): give the YAML file of a matrix") from None
    except yaml.YAMLError as error:
        raise BenchUsageError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(said, dict):
        raise BenchUsageError(f"{file} holds no mapping: begin with `models:`, as configs/benchmarks/sweep-demo.yaml does")
    return checked(said, str(file))


def checked(said: Mapping[str, Any], file: str) -> dict[str, Any]:
    """The same for what a file holds."""
    top = _known(said, TOP, file)
    if not top.get("models"):
        raise BenchUsageError(f"{file}: models is empty: name at least one, as in `models: [demo]`")
    given = _known(top.get("load", {}), LOAD, f"{file}: load")
    load: dict[str, Any] = {"prompts": [], "repeat": 1, "timeout": 600.0, "through": "gateway", "burstiness": 1.0} | given
    matrix = {
        "models": [_model(model, f"{file}: models[{place}]") for place, model in enumerate(top["models"])],
        "flags": [_flags(flags, f"{file}: flags[{place}]") for place, flags in enumerate(top.get("flags") or [{"name": "default"}])],
        "prompts": [_prompts(prompts, f"{file}: load.prompts[{place}]") for place, prompts in enumerate(load["prompts"] or [{}])],
        "load": {name: value for name, value in load.items() if name != "prompts"},
        "seed": top.get("seed", 0),
        "limit": float(top.get("limit", LIMIT)),
    }
    for part in ("models", "flags", "prompts"):
        names = [entry["name"] for entry in matrix[part]]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise BenchUsageError(f"{file}: {part}: two are called '{twice}': give one another `name`")
    _load(matrix["load"], matrix["prompts"], file)
    if not 0 < matrix["limit"] <= LONGEST:
        raise BenchUsageError(f"{file}: limit is {matrix['limit']:g} s: write seconds above 0, up to {LONGEST:g}")
    return matrix


def levels(matrix: Mapping[str, Any]) -> list[Load]:
    """The loads of each cell."""
    load = matrix["load"]

    def words(name: str) -> str | None:
        return ",".join(str(value) for value in load[name]) if load.get(name) else None

    return loads(
        words("concurrency"), words("rate"), load.get("requests"), load.get("seconds"), load["burstiness"], load.get("max_concurrency")
    )


def options(prompts: Mapping[str, Any], **over: Any) -> PromptOptions:
    """Prompt options of one entry of `prompts`."""
    given = {name: value for name, value in prompts.items() if name != "name"}
    if given.get("file"):
        given["file"] = Path(given["file"])
    return PromptOptions(**(given | over))


def _known(said: Any, kinds: Mapping[str, Any], where: str) -> dict[str, Any]:
    """`said` with keys that are all known and of the right kind."""
    if not isinstance(said, Mapping):
        raise BenchUsageError(f"{where}: is {said!r}: write a mapping of {', '.join(kinds)}")
    for name, value in said.items():
        if name not in kinds:
            raise BenchUsageError(f"{where}: there is no key '{name}': the keys are {', '.join(kinds)}")
        kind = kinds[name]
        if kind is not object and (not isinstance(value, kind) or isinstance(value, bool)):
            wanted = {list: "a list", dict: "a mapping", int: "a whole number", str: "a text"}.get(kind, "a number")
            raise BenchUsageError(f"{where}: {name} is {value!r}: write {wanted}")
    return dict(said)


def _model(said: Any, where: str) -> dict[str, Any]:
    model = _known({"model": said} if isinstance(said, str) else said, MODEL, where)
    if ("model" in model) == ("shape" in model):
        raise BenchUsageError(f"{where}: write either `model: NAME` (a folder, a hub id, demo) or `shape: NAME` with `format:`")
    if "shape" in model:
        model.setdefault("format", "bf16")
        for key, known in (("shape", tuple(SHAPES)), ("format", FORMATS)):
            if model[key] not in known:
                raise BenchUsageError(f"{where}: {key} is '{model[key]}': write one of {', '.join(known)}")
    elif "format" in model:
        raise BenchUsageError(f"{where}: format goes with `shape`; a `model` is served as it is")
    return {"name": f"{model['shape']}-{model['format']}" if "shape" in model else Path(model["model"]).name, **model}


def _flags(said: Any, where: str) -> dict[str, Any]:
    flags = {"engine": [], "config": {}} | _known(said, FLAGS, where)
    flags["engine"] = [str(word) for word in flags["engine"]]
    return {"name": " ".join(flags["engine"]) or "default", **flags}


def _prompts(said: Any, where: str) -> dict[str, Any]:
    prompts = _known(said, PROMPTS, where)
    try:
        made = options(prompts)
        made.check()
    except BenchUsageError as error:
        raise BenchUsageError(f"{where}: {error.message}") from None
    except TypeError as error:
        raise BenchUsageError(f"{where}: a value has the wrong kind ({error}): lengths are whole numbers, names are texts") from None
    lengths = f"{made.input_tokens}/{made.output.mean:g}" if made.dataset in ("random", "text") else str(made.file)
    return {"name": f"{made.dataset} {lengths}", **prompts}


def _load(load: dict[str, Any], prompts: list[dict[str, Any]], file: str) -> None:
    try:
        found = levels({"load": load, "prompts": prompts})
        if load.get("slo"):
            slo.parse(load["slo"])
    except BenchUsageError as error:
        raise BenchUsageError(f"{file}: load: {error.message}") from None
    if load["through"] not in WAYS:
        raise BenchUsageError(f"{file}: load: through is '{load['through']}': write {' or '.join(WAYS)}")
    for name, least in (("repeat", 1), ("warm_up", 0), ("timeout", 0.1)):
        if load.get(name, least) < least:
            raise BenchUsageError(f"{file}: load: {name} is {load[name]}: write {least} or more")
    names = [named(level) for level in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BenchUsageError(f"{file}: load: {twice} stands there twice: leave one out")


def slug(*names: str) -> str:
    """Names as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(names)).strip("-.") or "cell"
