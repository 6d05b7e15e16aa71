"""Checkpoints made for the tests: a LoRA adapter, and 4-bit copies of a model, rounded to nearest, as AutoGPTQ and AutoAWQ wrote them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.e2e.running import read_config

GROUP = 64
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # which output stands in each of the eight places of a number


NOT_COPIED = shutil.ignore_patterns("*.safetensors*", "draft", "lessons", "questions", "*.py", "*.jsonl", "__pycache__")


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
    """A copy of `model` as AutoGPTQ 0.7 wrote it: 4 bits, symmetric, groups of 64 inputs, quantize_config.json beside config.json
    and nothing in config.json itself."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, folder, ignore=NOT_COPIED)
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
    quantized = {"bits": 4, "group_size": GROUP, "damp_percent": 0.01, "desc_act": False, "sym": True, "true_sequential": True}
    (folder / "quantize_config.json").write_text(json.dumps({**quantized, "model_name_or_path": None, "model_file_base_name": "model"}))
    return folder


def write_awq(model: Path, folder: Path) -> Path:
    """A copy of `model` as AutoAWQ 0.2 wrote it ("gemm"): 4 bits with zero points, groups of 64 inputs, fp16."""
    import torch
    from safetensors.torch import load_file, save_file

    def packed(numbers: torch.Tensor) -> torch.Tensor:
        """Eight numbers of neighbouring outputs in each int32."""
        words = torch.zeros(numbers.shape[0], numbers.shape[1] // 8, dtype=torch.int32)
        for place, output in enumerate(AWQ_ORDER):
            words |= numbers[:, output::8] << (4 * place)
        return words

    shutil.copytree(model, folder, ignore=NOT_COPIED)
    tensors = {}
    for name, weight in load_file(model / "model.safetensors").items():
        if not name.endswith("_proj.weight"):
            tensors[name] = weight.half()
            continue
        outputs, inputs = weight.shape
        grouped = weight.float().t().reshape(inputs // GROUP, GROUP, outputs)
        low, high = grouped.amin(1, keepdim=True), grouped.amax(1, keepdim=True)
        scales = ((high - low) / 15).clamp(min=1e-8)
        zeros = (-low / scales).round().clamp(0, 15)
        numbers = (grouped / scales + zeros).round().clamp(0, 15).int().reshape(inputs, outputs)
        key = name.removesuffix("weight")
        tensors[f"{key}qweight"] = packed(numbers)
        tensors[f"{key}qzeros"] = packed(zeros.squeeze(1).int())
        tensors[f"{key}scales"] = scales.squeeze(1).half()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    quantized = {"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm", "zero_point": True}
    config = {**read_config(model), "dtype": "float16", "quantization_config": {**quantized, "modules_to_not_convert": None}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder
