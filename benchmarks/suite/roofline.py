"""How close decoding comes to the memory's rate, and prefill to that of matrix products (the roofline of Williams et al., 2009).

Decoding one token for each of n sequences reads the weights once and the KV cache of each; at small n nothing else counts. A prompt
token takes two operations for each weight of the matrices that it passes through, and attention over what is before it.
"""

from __future__ import annotations

from benchmarks.suite.shapes import Shape


def decode_bytes(shape: Shape, weights: int, sequences: float, context: float) -> float:
    """Bytes that one step reads: `weights` are those of the checkpoint; an input embedding of its own is not read but for a row."""
    looked_up = 0 if shape.tied else shape.vocabulary * shape.hidden * 2
    return weights - looked_up + sequences * context * shape.kv_bytes()


def decode_limit(shape: Shape, weights: int, sequences: float, context: float, bytes_per_second: float) -> float:
    """Output tokens/s of all sequences together that the memory's rate allows."""
    return sequences * bytes_per_second / decode_bytes(shape, weights, sequences, context)


def prefill_operations(shape: Shape, tokens: int) -> float:
    """Operations for a prompt of `tokens`: 2 a weight and token; attention 4 x heads x head size for each pair (causal: half of them);
    the output layer for the last token alone, as vLLM computes it."""
    matrices = 2.0 * shape.layers * shape.layer_weights() * tokens
    attention = 4.0 * shape.layers * shape.heads * shape.head_dim * tokens * tokens / 2
    return matrices + attention + 2.0 * shape.vocabulary * shape.hidden


def prefill_limit(shape: Shape, tokens: int, operations_per_second: float) -> float:
    """Prompt tokens/s that the rate of matrix products allows, prompts of `tokens` each."""
    return tokens * operations_per_second / prefill_operations(shape, tokens)
