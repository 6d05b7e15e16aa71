"""Model folders and methods for tests: headers of safetensors files with nothing behind them but zeros."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quantize.methods.method import Method

ROOT = Path(__file__).parent.parent.parent
DEMO = ROOT / "models/demo"
GiB = 2**30
BYTES = {"BF16": 2, "F16": 2, "F32": 4, "I8": 1, "F8_E4M3": 1, "I32": 4}


def config(**changes: Any) -> dict[str, Any]:
    basic = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "vocab_size": 32}
    return {**basic, "max_position_embeddings": 1024, **changes}


def layer(number: int = 0, hidden: int = 64, inner: int = 128, kv: int = 64) -> dict[str, tuple[int, ...]]:
    """The tensors of a Llama layer by name, with their shapes (outputs, inputs)."""
    inside = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (kv, hidden),
        "self_attn.v_proj": (kv, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
        "input_layernorm": (hidden,),
    }
    return {f"model.layers.{number}.{name}.weight": shape for name, shape in inside.items()}


def llama(**widths: int) -> dict[str, tuple[int, ...]]:
    hidden = widths.get("hidden", 64)
    return {"model.embed_tokens.weight": (32, hidden), **layer(0, **widths), **layer(1, **widths), "lm_head.weight": (32, hidden)}


def folder(path: Path, tensors: Mapping[str, tuple[int, ...]] | None = None, dtype: str = "BF16", **changes: Any) -> Path:
    """A model folder at `path` with zeros for weights; `changes` go into its config.json."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config(**changes)))
    (path / "tokenizer.json").write_text("{}")
    weights(path / "model.safetensors", {name: (dtype, shape) for name, shape in (tensors or llama()).items()})
    return path


def weights(file: Path, tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> Path:
    """A safetensors file; its zeros take no space on most disks."""
    header, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        count = BYTES[dtype]
        for each in shape:
            count *= each
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + count]}
        end += count
    text = json.dumps(header).encode()
    with file.open("wb") as opened:
        opened.write(struct.pack("<Q", len(text)) + text)
        opened.truncate(8 + len(text) + end)
    return file


def method(name: str, scheme: str, bits: tuple[int, ...], peak: int = GiB, per_sample: int = 0, **more: Any) -> Method:
    """A method that is never run; it needs `peak` bytes and `per_sample` more for each calibration sample."""
    known: dict[str, Any] = {"title": name, "library": "torch", "environment": "engine", "checkpoint": scheme, **more}
    return Method(
        name=name,
        scheme=scheme,
        bits=bits,
        run=lambda job, report: None,
        peak=lambda source, recipe: peak + recipe.samples * per_sample,
        **known,
    )


def methods() -> dict[str, Method]:
    """One method of each scheme, like those of the registry, in its order."""
    found = [
        method("gptq", "gptq", (4, 8), 3 * GiB, grouped=True, calibrated=True, library="gptqmodel"),
        method("awq", "awq", (4,), 3 * GiB, grouped=True, calibrated=True, library="gptqmodel"),
        method("bnb-int8", "bnb", (8,)),
        method("bnb-nf4", "bnb", (4,)),
        method("int8", "torchao", (8,)),
        method("int8-dynamic", "torchao", (8,)),
        method("w8a8", "w8a8", (8,), 2 * GiB, calibrated=True),
        method("fp8", "fp8", (8,)),
        method("gptq-ct", "wna16", (4, 8), 2 * GiB, grouped=True, calibrated=True),
        method("awq-ct", "wna16", (4,), 2 * GiB, grouped=True, calibrated=True, defaults={"symmetric": False}),
        method("rtn", "wna16", (4,), grouped=True, control=True),
    ]
    return {each.name: each for each in found}
