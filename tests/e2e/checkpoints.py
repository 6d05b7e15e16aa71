"""Checkpoints made for the tests: a LoRA adapter, and a 4-bit GPTQ copy of a model, rounded to nearest."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.e2e.running import read_config

GROUP = 64


def write_adapter(model: Path, folder: Path, rank: int = 8) -> Path:
    """A LoRA adapter for `model` that changes what it says: random weights of some size on queries and values."""
    import torch
    from safetensors.torch import save_file

    config = read_config(model)
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    widths = {"q_proj": heads * head, "v_proj": config.get("num_key_value_heads", heads) * head}
    random = torch.Generator().manual_seed(1)
    tensors = {}
    for layer in range(config["num_hidden_layers"]):
        for name, width in widths.items():
            key = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{key}.lora_A.weight"] = torch.randn(rank, hidden, generator=random)
            tensors[f"{key}.lora_B.weight"] = torch.randn(width, rank, generator=random)
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    about = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": rank, "bias": "none", "target_modules": [*widths]}
    (folder / "adapter_config.json").write_text(json.dumps(about))
    return folder


def write_gptq(model: Path, folder: Path) -> Path:
    """A copy of `model` in AutoGPTQ's 4-bit layout, symmetric, groups of 64 inputs: each weight rounded to the nearest of 16."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("*.safetensors*", "draft", "*.py", "*.jsonl", "__pycache__"))
    tensors = {}
    for name, weight in load_file(model / "model.safetensors").items():
        if not name.endswith("_proj.weight"):
            tensors[name] = weight
            continue
        outputs, inputs = weight.shape
        grouped = weight.float().t().reshape(inputs // GROUP, GROUP, outputs)
        scales = (grouped.abs().amax(1, keepdim=True) / 7).clamp(min=1e-8)
        numbers = ((grouped / scales).round().clamp(-8, 7) + 8).int().reshape(inputs, outputs)
        packed = torch.zeros(inputs // 8, outputs, dtype=torch.int32)
        for place in range(8):
            packed |= numbers[place::8] << (4 * place)
        key = name.removesuffix("weight")
        tensors[f"{key}qweight"] = packed
        tensors[f"{key}scales"] = scales.squeeze(1).half()
        tensors[f"{key}qzeros"] = torch.full((inputs // GROUP, outputs // 8), 0x77777777, dtype=torch.int32)  # 8 - 1 in each place
        tensors[f"{key}g_idx"] = (torch.arange(inputs) // GROUP).int()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    quantized = {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": False, "sym": True, "lm_head": False}
    (folder / "config.json").write_text(json.dumps({**read_config(model), "quantization_config": quantized}))
    return folder
