"""Models as ONNX graphs on one CPU core: finding them, here or on the hub, and opening them.

A model is a folder, or a hub id that is downloaded once: `tokenizer.json`, `config.json`, and a graph (`*.onnx`, here
or in `onnx/`). An int8 graph is taken before a float one: a quarter of the time and of the memory.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.errors import ModelNotFound, StartError

X86 = platform.machine().lower() in ("x86_64", "amd64")
GRAPHS: tuple[str, ...] = (  # the better first; names as sentence-transformers, Optimum and Xenova write them
    "model_quantized.onnx",
    "model_int8.onnx",
    "model_qint8.onnx",
    *(("model_qint8_avx512_vnni.onnx", "model_quint8_avx2.onnx") if X86 else ("model_qint8_arm64.onnx",)),
    "model.onnx",
)
GRAPH_FILES = [*GRAPHS, *(f"onnx/{graph}" for graph in GRAPHS)]


def download(model: str, files: Sequence[str], who: str, key: str) -> Path:
    """The hub's snapshot of `model` with those files. `who` and `key` name it in errors. Raises ModelNotFound."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(str(snapshot_download(model, allow_patterns=list(files))))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelNotFound(
            f"{who} '{model}' is neither a folder nor could it be downloaded ({reason[0][:200]}): check {key}, "
            "or put the model's files into a folder and name that."
        ) from None


def graph_in(folder: Path) -> Path | None:
    """The graph to run."""
    for name in GRAPHS:
        for file in (folder / "onnx" / name, folder / name):
            if file.is_file():
                return file
    others = sorted([*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx")])
    return others[0] if others else None


def graph_of(folder: Path) -> Path:
    """The graph to run. Raises ModelNotFound."""
    graph = graph_in(folder)
    if graph is None:
        raise ModelNotFound(f"{folder} has no .onnx file: export the model first, e.g. with `optimum-cli export onnx`.")
    return graph


def session_of(graph: Path) -> Any:
    """An onnxruntime session on one core. Raises StartError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the other cores serve requests
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception type for each status
        raise StartError(f"{graph} cannot be loaded ({str(error)[:200]}): download it again, or name another model.") from None


def setting(folder: Path, file: str, key: str) -> Any:
    """A value of one of the model's JSON files; None where there is none."""
    try:
        return json.loads((folder / file).read_text(encoding="utf-8")).get(key)
    except (OSError, ValueError, AttributeError):
        return None
