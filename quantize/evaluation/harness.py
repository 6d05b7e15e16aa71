"""lm-evaluation-harness against the served model over HTTP: an optional extra, in an environment of its own.

`make install-harness` makes .tools/harness; SLLM_HARNESS names another Python that has lm_eval. The harness asks
/v1/completions for answers and for logprobs of its choices, and needs the model's tokenizer, which it reads from the folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quantize.errors import EvaluationError, MissingLibrary
from quantize.evaluation.options import Options

Scores = Mapping[str, Mapping[str, float]]  # task -> metric (with the filter's name, unless that is none) -> value

ROOT = Path(__file__).resolve().parent.parent.parent
INSTALLED = ROOT / ".tools" / "harness" / "bin" / "python"
AT_ONCE = 4


def python(environ: Mapping[str, str] = os.environ) -> Path:
    """The Python that has lm_eval. Raises MissingLibrary with what to type."""
    named = environ.get("SLLM_HARNESS")
    found = Path(named).expanduser() if named else INSTALLED
    if found.is_file():
        return found
    where = f"SLLM_HARNESS names {named}, which is no program" if named else "lm-evaluation-harness is not installed"
    raise MissingLibrary(f"{where}: type `make install-harness`, or set SLLM_HARNESS to a Python that has lm_eval")


def run(address: str, model: str, folder: Path, options: Options, name: str) -> dict[str, Any]:
    """The scores of the model served at `address`, and lm_eval's version, as fields of a Measurement.

    Raises EvaluationError with the last line of lm_eval's own error.
    """
    with tempfile.TemporaryDirectory(prefix="sllm-harness-") as scratch:
        out = Path(scratch) / "results.json"
        words = [str(python()), "-m", "lm_eval", "run", "--model", "local-completions"]
        words += ["--model_args", _arguments(address, model, folder), "--tasks", ",".join(options.harness)]
        words += ["--output_path", str(out), "--seed", str(options.seed)]
        words += ["--include_path", str(options.harness_tasks_dir.resolve())] if options.harness_tasks_dir else []
        words += ["--limit", str(options.harness_limit)] if options.harness_limit else []
        environ, beside = {**os.environ, "OPENAI_API_KEY": "none"}, options.harness_tasks_dir or scratch  # data files lie beside their task
        done = subprocess.run(words, capture_output=True, text=True, env=environ, cwd=beside)
        written = sorted(Path(scratch).rglob("*.json"))
        if done.returncode or not written:
            raise EvaluationError(f"{name}: lm-evaluation-harness failed: {_last(done.stderr or done.stdout)}")
        data = json.loads(written[-1].read_text(encoding="utf-8"))
    return {"harness": scores(data), "harness_version": str(data.get("lm_eval_version") or "unknown")}


def scores(data: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """From lm_eval's results: `{"task": {"acc,none": 0.5, "acc_stderr,none": 0.1, "alias": ...}}` -> {"task": {"acc": 0.5, ...}}."""
    found: dict[str, dict[str, float]] = {}
    for task, values in data["results"].items():
        kept = {}
        for key, value in values.items():
            metric, _, filtered = key.partition(",")
            if isinstance(value, (int, float)) and not isinstance(value, bool) and filtered:
                kept[metric if filtered == "none" else f"{metric} ({filtered})"] = float(value)
        if kept:
            found[task] = kept
    return found


def headline(values: Mapping[str, float]) -> tuple[str, float]:
    """The metric that a table shows: exact match or accuracy where there is one, else the first that is no standard error."""
    shown = {metric: value for metric, value in values.items() if "_stderr" not in metric}
    for wanted in ("acc_norm", "acc", "exact_match", "f1"):
        for metric, value in shown.items():
            if metric == wanted or metric.startswith(f"{wanted} "):
                return metric, value
    return next(iter(shown.items()))


def _arguments(address: str, model: str, folder: Path) -> str:
    given = {
        "model": model,
        "base_url": f"{address}/v1/completions",
        "tokenizer": str(folder.resolve()),
        "tokenizer_backend": "huggingface",
        "num_concurrent": AT_ONCE,
        "max_retries": 2,
    }
    for key, value in given.items():
        if "," in str(value):
            raise EvaluationError(f"lm-evaluation-harness cannot be told a {key} with a comma in it ({value}): rename the folder")
    return ",".join(f"{key}={value}" for key, value in given.items())


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "it ended without a word"
