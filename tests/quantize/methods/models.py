"""Small models with random weights, of the shapes that matter: tied and not, biases, layers stored joined, several files, types."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

DEMO = Path(__file__).resolve().parents[3] / "models" / "demo"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
SIZES: dict[str, Any] = {
    "vocab_size": 2048,
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 2,
}
# name -> transformers' configuration class, what differs from SIZES, the weights' type, the largest file
KINDS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "tied": ("LlamaConfig", {"tie_word_embeddings": True}, "bfloat16", "5GB"),
    "biases, three files": ("Qwen2Config", {"tie_word_embeddings": False}, "bfloat16", "300KB"),
    "joined layers": ("Phi3Config", {"tie_word_embeddings": False}, "bfloat16", "5GB"),
    "float32": ("LlamaConfig", {"tie_word_embeddings": False}, "float32", "5GB"),
    "float16": ("LlamaConfig", {"tie_word_embeddings": True}, "float16", "5GB"),
    "experts": ("MixtralConfig", {"num_local_experts": 2, "tie_word_embeddings": False}, "bfloat16", "5GB"),
}


def write(kind: str, folder: Path) -> Path:
    """A model of that kind in `folder`, with the demo model's tokenizer."""
    import torch
    import transformers

    name, differing, dtype, largest = KINDS[kind]
    config = getattr(transformers, name)(**SIZES, **differing)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    model.save_pretrained(folder, max_shard_size=largest)
    for file in TOKENIZER:
        shutil.copyfile(DEMO / file, folder / file)
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return config
