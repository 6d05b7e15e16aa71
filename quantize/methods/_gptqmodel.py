"""What GPTQ and AWQ share: both are GPTQModel's work, a decoder layer at a time, the rest of the model on disk."""

from __future__ import annotations

import ctypes
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantize import sidefiles
from quantize.job import Event, Job, Report
from quantize.methods._names import as_engine_knows, ignored

if TYPE_CHECKING:
    from gptqmodel import BaseQuantizeConfig

    from quantize.source import Source

HALF = ("bfloat16", "float16")
TOO_SHORT = 1  # tokens of a calibration sample that is left out
LEFTOVERS = ("quant_log.csv",)
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LIBRARIES = 685  # MiB: Python, torch, transformers and GPTQModel, measured
PATHS = ("offload_to_disk", "offload_to_disk_path")  # of this machine; nothing that a reader needs


def run(job: Job, report: Report, choices: Mapping[str, Any], backend: str) -> None:
    """Quantize with GPTQModel's QuantizeConfig of `choices`; `backend` names its kernel for the work."""
    os.environ["GPTQMODEL_CPU_WORKERS"] = str(max(2, job.threads))  # read at import; its loader wants two whatever the cores
    return_memory_early()
    report(Event("phase", phase="loading"))
    import torch
    from gptqmodel import BACKEND, GPTQModel, QuantizeConfig

    stored = json.loads((job.source / "config.json").read_text(encoding="utf-8"))
    dtype = stored.get("dtype") or stored.get("torch_dtype")
    config: BaseQuantizeConfig = QuantizeConfig(
        **choices,
        bits=job.recipe["bits"],
        group_size=job.recipe["group_size"],
        sym=job.recipe["symmetric"],
        device="cuda" if torch.cuda.is_available() else "cpu",
        offload_to_disk=True,
        offload_to_disk_path=str(job.scratch),
    )
    model = GPTQModel.load(str(job.source), config, dtype=getattr(torch, dtype if dtype in HALF else HALF[0]))
    kept = keep(model.model, job.recipe["ignore"])
    if kept:
        config.dynamic = kept
    follow(model, report)
    report(Event("phase", phase="quantizing"))
    samples = [{"input_ids": sample, "attention_mask": [1] * len(sample)} for sample in job.samples()]
    # its own limit leaves out what has ten tokens or fewer; `quantize` takes another one and does not pass it on
    model.prepare_dataset = partial(model.prepare_dataset, calibration_data_min_length=TOO_SHORT)
    model.quantize(samples, batch_size=1, backend=BACKEND[backend])
    report(Event("phase", phase="saving"))
    model.save(str(job.out), max_shard_size=job.recipe["shard_size"])
    tidy(job.out)
    sidefiles.copy(job.source, job.out)


def keep(model: Any, patterns: list[str]) -> dict[str, dict[str, Any]]:
    """GPTQModel's `dynamic` rules for the layers that stay as they are; vLLM reads the same rules."""
    import torch

    output = {name for name, module in model.named_modules() if module is model.get_output_embeddings()}
    linears = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and name not in output]
    return {f"-:^{re.escape(name)}$": {} for name in as_engine_knows(ignored(linears, patterns))}


def follow(model: Any, report: Report) -> None:
    """Report each decoder layer when GPTQModel is through with it."""
    total = model.model.config.get_text_config().num_hidden_layers

    def done(layer_idx: int, submodule_finalized: bool) -> None:
        if submodule_finalized and layer_idx < total:
            report(Event("layer", done=layer_idx + 1, total=total))

    model.layer_callback = done


def return_memory_early() -> None:
    """Have the C library give freed memory back to the system: it keeps what threads free, a third of the peak."""
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 4 * 2**20)
        libc.mallopt(M_TRIM_THRESHOLD, 2**20)
        libc.mallopt(M_ARENA_MAX, 2)


def has_experts(source: Path) -> bool:
    """Whether the model is a mixture of experts."""
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    return any(config.get(key) for key in EXPERTS)


def tidy(out: Path) -> None:
    """Remove what GPTQModel leaves behind, and this machine's paths from its configuration.

    Columns that were ordered within static groups lie in their own order again: for a reader there is no `desc_act`.
    """
    for name in LEFTOVERS:
        (out / name).unlink(missing_ok=True)
    for name in ("config.json", "quantize_config.json"):
        about = json.loads((out / name).read_text(encoding="utf-8"))
        quantization = about.get("quantization_config", about)
        if "desc_act" in quantization:
            quantization["desc_act"] = False
        for key in PATHS:
            quantization.get("meta", {}).pop(key, None)
        (out / name).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def scratch(source: Source) -> int:
    """Bytes: every layer is put on the disk in half precision until its turn, and once more when it is done."""
    return sum(2 * linear.inputs * linear.outputs for linear in source.linears)
