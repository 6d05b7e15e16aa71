"""Configurations of published models (their keys that count here), and folders whose weights are headers only."""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.engine.planner.headers import Tensor

BYTES = {"BF16": 2, "F16": 2, "F32": 4, "I32": 4, "U8": 1, "F8_E4M3": 1}


def config(layers: int, heads: int, kv: int, dim: int, hidden: int, **more: object) -> dict[str, Any]:
    """A Llama-like configuration."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "head_dim": dim,
        "hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "vocab_size": 32000,
        "max_position_embeddings": 32768,
        "dtype": "bfloat16",
        **more,
    }


QWEN25_05B = config(24, 14, 2, 64, 896, use_sliding_window=False, sliding_window=32768, tie_word_embeddings=True)
QWEN25_15B = config(28, 12, 2, 128, 1536, use_sliding_window=False, sliding_window=32768)
LLAMA32_1B = config(16, 32, 8, 64, 2048, vocab_size=128256, max_position_embeddings=131072)
QWEN3_06B = config(28, 16, 8, 128, 1024)
LLAMA31_8B = config(32, 32, 8, 128, 4096, intermediate_size=14336, vocab_size=128256, max_position_embeddings=131072)
DEEPSEEK_V2_LITE = config(27, 16, 16, 0, 2048, kv_lora_rank=512, qk_rope_head_dim=64, v_head_dim=128, qk_nope_head_dim=128)
GEMMA2_2B = config(26, 8, 4, 256, 2304, model_type="gemma2", sliding_window=4096, max_position_embeddings=8192)
GPT_OSS_20B = config(
    24, 64, 8, 64, 2880, sliding_window=128, layer_types=["sliding_attention", "full_attention"] * 12, max_position_embeddings=131072
)
MISTRAL_7B = config(32, 32, 8, 128, 4096, sliding_window=4096)


def tensor(name: str, *shape: int, dtype: str = "BF16") -> Tensor:
    return Tensor(name, dtype, shape, math.prod(shape) * BYTES[dtype])


def llama(config: Mapping[str, Any], dtype: str = "BF16") -> list[Tensor]:
    """The tensors of a dense model of that configuration."""
    hidden, inner, dim = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * dim, config["num_key_value_heads"] * dim
    found = [tensor("model.embed_tokens.weight", config["vocab_size"], hidden, dtype=dtype)]
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}"
        found += [
            tensor(f"{at}.self_attn.q_proj.weight", queries, hidden, dtype=dtype),
            tensor(f"{at}.self_attn.k_proj.weight", keys, hidden, dtype=dtype),
            tensor(f"{at}.self_attn.v_proj.weight", keys, hidden, dtype=dtype),
            tensor(f"{at}.self_attn.o_proj.weight", hidden, queries, dtype=dtype),
            tensor(f"{at}.mlp.gate_proj.weight", inner, hidden, dtype=dtype),
            tensor(f"{at}.mlp.up_proj.weight", inner, hidden, dtype=dtype),
            tensor(f"{at}.mlp.down_proj.weight", hidden, inner, dtype=dtype),
            tensor(f"{at}.input_layernorm.weight", hidden, dtype=dtype),
            tensor(f"{at}.post_attention_layernorm.weight", hidden, dtype=dtype),
        ]
    found.append(tensor("model.norm.weight", hidden, dtype=dtype))
    if not config.get("tie_word_embeddings"):
        found.append(tensor("lm_head.weight", config["vocab_size"], hidden, dtype=dtype))
    return found


def header(tensors: list[Tensor]) -> bytes:
    """A safetensors file that ends after its header."""
    described: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for one in tensors:
        described[one.name] = {"dtype": one.dtype, "shape": list(one.shape), "data_offsets": [at, at + one.bytes]}
        at += one.bytes
    text = json.dumps(described).encode()
    return struct.pack("<Q", len(text)) + text


def write(folder: Path, config: Mapping[str, Any], tensors: list[Tensor] | None = None) -> Path:
    """A model's folder without its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(header(llama(config) if tensors is None else tensors))
    return folder
