"""Shapes of models: the numbers of their config.json, so that a model of random weights computes what the real one computes.

Speed and memory follow the shape and the format, not the values of the weights. What the values decide (what is said, how often a
draft is accepted) is not measured with these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.errors import BenchUsageError

# Llama 3's stretched rotary embedding; 3.1 and 3.2 differ in the factor.
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


@dataclass(frozen=True)
class Shape:
    """A dense decoder. Sizes in elements; `biases`: of q, k and v (Qwen2); `qk_norms`: RMS norms of a head's q and k (Qwen3)."""

    name: str
    architecture: str
    model_type: str
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    context: int
    tied: bool
    epsilon: float
    rope: dict[str, Any] = field(default_factory=dict)
    biases: bool = False
    qk_norms: bool = False

    def linears(self) -> dict[str, tuple[int, int]]:
        """Name within a layer -> (outputs, inputs) of its weight."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "self_attn.q_proj": (queries, self.hidden),
            "self_attn.k_proj": (keys, self.hidden),
            "self_attn.v_proj": (keys, self.hidden),
            "self_attn.o_proj": (self.hidden, queries),
            "mlp.gate_proj": (self.intermediate, self.hidden),
            "mlp.up_proj": (self.intermediate, self.hidden),
            "mlp.down_proj": (self.hidden, self.intermediate),
        }

    def parameters(self) -> int:
        """All parameters; a tied output layer is counted once."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        biases = (self.heads + 2 * self.kv_heads) * self.head_dim if self.biases else 0
        norms = 2 * self.hidden + (2 * self.head_dim if self.qk_norms else 0)
        return embeddings + self.layers * (self.layer_weights() + biases + norms) + self.hidden

    def layer_weights(self) -> int:
        """Elements of a layer's matrices."""
        return sum(outputs * inputs for outputs, inputs in self.linears().values())

    def kv_bytes(self, element: int = 2) -> int:
        """Bytes of the KV cache that a token takes: 2 x layers x KV heads x head size x bytes of an element."""
        return 2 * self.layers * self.kv_heads * self.head_dim * element

    def config(self) -> dict[str, Any]:
        """config.json as transformers 5 writes it."""
        return {
            "architectures": [self.architecture],
            "model_type": self.model_type,
            "dtype": "bfloat16",
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "vocab_size": self.vocabulary,
            "max_position_embeddings": self.context,
            "tie_word_embeddings": self.tied,
            "rms_norm_eps": self.epsilon,
            "rope_parameters": self.rope,
            "hidden_act": "silu",
            "attention_bias": False,  # Llama and Qwen3; Qwen2's biases are not asked for by its config
            "attention_dropout": 0.0,
            "initializer_range": 0.02,
            "use_cache": True,
            "bos_token_id": None,
            "eos_token_id": 2,  # the demo tokenizer's, which these models come with (checkpoints.py)
            "pad_token_id": 0,
        }


def plain(theta: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta}


def llama3(factor: float) -> dict[str, Any]:
    return {**LLAMA3, "factor": factor, "original_max_position_embeddings": 8192}


LLAMA, QWEN2, QWEN3 = ("LlamaForCausalLM", "llama"), ("Qwen2ForCausalLM", "qwen2"), ("Qwen3ForCausalLM", "qwen3")

# From the config.json of the repository of each name at its publisher's (Qwen/..., meta-llama/...).
SHAPES = {
    shape.name: shape
    for shape in (
        Shape("Qwen2.5-0.5B", *QWEN2, 896, 4864, 24, 14, 2, 64, 151936, 32768, True, 1e-6, plain(1e6), biases=True),
        Shape("Qwen2.5-1.5B", *QWEN2, 1536, 8960, 28, 12, 2, 128, 151936, 131072, True, 1e-6, plain(1e6), biases=True),
        Shape("Llama-3.2-1B", *LLAMA, 2048, 8192, 16, 32, 8, 64, 128256, 131072, True, 1e-5, llama3(32.0)),
        Shape("Qwen3-8B", *QWEN3, 4096, 12288, 36, 32, 8, 128, 151936, 40960, False, 1e-6, plain(1e6), qk_norms=True),
        Shape("Llama-3.1-8B", *LLAMA, 4096, 14336, 32, 32, 8, 128, 128256, 131072, False, 1e-5, llama3(8.0)),
        # models/demo's own, and two of its size with what the others have: biases, norms of q and k, an output layer of its own.
        Shape("demo", *LLAMA, 256, 512, 4, 4, 2, 64, 2048, 2048, True, 1e-6, plain(1e4)),
        Shape("tiny-qwen2", *QWEN2, 256, 512, 2, 4, 2, 64, 4096, 2048, True, 1e-6, plain(1e6), biases=True),
        Shape("tiny-qwen3", *QWEN3, 256, 512, 2, 4, 2, 64, 4096, 2048, False, 1e-6, plain(1e6), qk_norms=True),
        # A step of it takes a CPU core as long as one of a real model takes a GPU: for holding load generators against each other.
        Shape("small", *LLAMA, 768, 2048, 8, 12, 4, 64, 2048, 2048, True, 1e-6, plain(1e4)),
    )
}


def shape(name: str) -> Shape:
    """The shape called `name`. Raises BenchUsageError that names the known ones."""
    if name not in SHAPES:
        raise BenchUsageError(f"no shape is called '{name}': take one of {', '.join(SHAPES)}")
    return SHAPES[name]
