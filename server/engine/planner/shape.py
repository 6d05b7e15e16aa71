"""What a model is for the planner: its layers' KV caches and its weights by part, from config.json and the headers.

Sources. Keys: the configuration classes of transformers. Which layer keeps what: vLLM's `Attention.get_kv_cache_spec`
(0.32; sliding layers keep a window, MLA one latent vector for all heads).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.engine import checkpoint
from server.engine.planner.headers import Tensor
from server.errors import StartError

HEADS = ("num_attention_heads", "n_head", "n_heads")
KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads", "multi_query_group_num")
FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
INSIDE = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks)\.(\d+)\.")
OTHER_TOWERS = re.compile(r"visual|vision|audio|image|multi_modal|mm_projector|speech")
EMBEDDING = re.compile(r"(?:embed_tokens|wte|word_embeddings|tok_embeddings|embed_in)\.weight$")
HEAD = re.compile(r"(?:^|\.)(?:lm_head|embed_out|output)\.weight$")
ROUTER = re.compile(r"(?:mlp|block_sparse_moe|feed_forward)\.(?:gate|router)\.weight$|router\.(?:layer\.)?weight$|shared_expert_gate")
BUFFER = re.compile(r"\.attn\.(?:masked_)?bias$|rotary_emb\.inv_freq$")  # computed, not loaded
TIED = ("gpt2", "gpt_bigcode", "opt", "bloom", "gemma", "gemma2", "gemma3_text", "cohere", "cohere2")  # unless they say otherwise
STATE_LAYERS = ("linear_attention", "mamba", "mamba2", "conv", "recurrent", "ssm", "lightning_attention")
STATE_KEYS = ("mamba_d_state", "ssm_state_size", "state_size", "linear_num_value_heads", "mamba_d_conv", "ssm_cfg", "lru_width")
SCALED_ALREADY = ("su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling")
PATTERNS = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6, "cohere2": 4}  # every n-th layer is full, where the config names no pattern


@dataclass(frozen=True)
class Layer:
    """One layer's KV cache: `elements` numbers a token; `window` in tokens, 0 for the whole context; `heads` of them, 0 for MLA."""

    elements: int
    window: int = 0
    heads: int = 0
    head_dim: int = 0


@dataclass(frozen=True)
class Linear:
    """A matrix that the quantization methods take: `count` of them (experts in one tensor), `outputs` x `inputs` each."""

    outputs: int
    inputs: int
    count: int = 1

    @property
    def elements(self) -> int:
        return self.outputs * self.inputs * self.count


@dataclass(frozen=True)
class Shape:
    """A model. `depth` counts its layers, and `layers` are those with a KV cache; `parts` is bytes as stored by part; `linears` are
    inside the decoder; `plain` numbers stay 16 bit in every format. `context` is the longest in tokens, `default_context` the one that
    vLLM takes unasked. `towers`: it sees or hears as well. `quantization` is the checkpoint's own word. `unplanned` says why its KV
    cache is not planned, "" where it is.
    """

    architecture: str
    depth: int
    layers: tuple[Layer, ...]
    context: int
    default_context: int
    towers: bool
    hidden: int
    intermediate: int
    vocabulary: int
    heads: int
    linears: tuple[Linear, ...]
    plain: int
    weights: int
    parts: Mapping[str, int]
    dtype: str
    quantization: str
    experts: int
    active_experts: int
    expert_width: int
    kv_dtype: str
    unplanned: str

    @property
    def elements(self) -> int:
        return self.plain + sum(linear.elements for linear in self.linears)

    @property
    def kv_elements(self) -> int:
        """Numbers a token of context, in all layers."""
        return sum(layer.elements for layer in self.layers)


def shape(config: Mapping[str, Any], tensors: Sequence[Tensor], *, mtp: bool = False) -> Shape:
    """The model of `config` and `tensors`; `mtp`: with its own layers for speculation. Raises StartError."""
    text = text_config(config)
    count = number(text, "num_hidden_layers", "n_layer", "num_layers", "n_layers")
    if not count:
        raise StartError("config.json names no num_hidden_layers: planning needs the config.json of a language model")
    used = [tensor for tensor in tensors if (mtp or not _is_mtp(tensor, count)) and not BUFFER.search(tensor.name)]
    tied = bool(text.get("tie_word_embeddings", str(text.get("model_type")) in TIED))
    used = [tensor for tensor in used if not (tied and HEAD.search(tensor.name))]  # vLLM does not load it then
    parts: dict[str, int] = {}
    linears: list[Linear] = []
    plain = 0
    for tensor in used:
        part = part_of(tensor)
        parts[part] = parts.get(part, 0) + tensor.bytes
        if part in ("layers", "experts") and _is_linear(tensor):
            linears.append(_linear(tensor))
        else:
            plain += tensor.elements
    floats = {tensor.dtype: tensor.bytes for tensor in used if tensor.dtype in FLOATS}
    named = str(text.get("dtype") or text.get("torch_dtype") or config.get("dtype") or config.get("torch_dtype") or "")
    longest, unasked = context_of(text)
    reason = unplanned(config, text)
    extra = number(text, "num_nextn_predict_layers", "mtp_num_hidden_layers") if mtp else 0
    return Shape(
        architecture=str((config.get("architectures") or [""])[0]),
        depth=count,
        layers=() if reason else kv_layers(text, count, extra),
        context=longest,
        default_context=unasked,
        towers=bool(config.get("vision_config") or config.get("audio_config")),
        hidden=number(text, "hidden_size", "n_embd", "d_model"),
        intermediate=number(text, "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
        or 4 * number(text, "hidden_size", "n_embd"),
        vocabulary=number(text, "vocab_size"),
        heads=number(text, *HEADS),
        linears=tuple(linears),
        plain=plain,
        weights=sum(tensor.bytes for tensor in used),
        parts=parts,
        dtype=named or ("float32" if set(floats) == {"F32"} else "bfloat16"),
        quantization=checkpoint.quantized(dict(config))[0] or _other_types(used),
        experts=number(text, "num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
        active_experts=number(text, "num_experts_per_tok", "experts_per_token", "moe_topk"),
        expert_width=number(text, "moe_intermediate_size", "expert_intermediate_size", "intermediate_size"),
        kv_dtype=_kv_dtype(config),
        unplanned=reason,
    )


def text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The language model's keys; a multimodal config has them one level down."""
    keys = ("text_config", "llm_config", "language_config", "thinker_config")
    inner: dict[str, Any] = next((config[key] for key in keys if isinstance(config.get(key), dict)), {})
    inner = inner["text_config"] if isinstance(inner.get("text_config"), dict) else inner
    return {**config, **inner}


def number(config: Mapping[str, Any], *keys: str) -> int:
    """The first of `keys` that holds a number, 0 where none does; the largest of a list (some models vary by layer)."""
    for key in keys:
        value = config.get(key)
        if isinstance(value, list) and value and all(isinstance(v, int) for v in value):
            return int(max(value))
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return 0


def context_of(text: Mapping[str, Any]) -> tuple[int, int]:
    """The longest sequence in tokens and the one that vLLM takes unasked; 0 where unsaid.

    Source: vLLM's `_get_and_verify_max_len` (0.32): plain scaling multiplies, YaRN and Gemma 3 have it in the number already, and
    LongRoPE (Phi) stays at the length it was trained on unless asked.
    """
    longest = number(text, *checkpoint.CONTEXT_KEYS)
    rope = text.get("rope_parameters") or text.get("rope_scaling")
    if not isinstance(rope, dict) or "gemma3" in str(text.get("model_type")):
        return longest, longest
    several = [value for value in rope.values() if isinstance(value, dict)]  # by type of layer
    for one in several or [rope]:
        kind, factor = str(one.get("rope_type", one.get("type"))), one.get("factor")
        if kind == "longrope":
            trained = number(text, "original_max_position_embeddings") or number(one, "original_max_position_embeddings")
            return longest, trained or longest
        if kind not in SCALED_ALREADY and isinstance(factor, (int, float)):
            return int(longest * factor), int(longest * factor)
    return longest, longest


def kv_layers(text: Mapping[str, Any], count: int, extra: int = 0) -> tuple[Layer, ...]:
    """What each layer keeps a token: 2 x KV heads x head size (key and value), or for MLA kv_lora_rank + qk_rope_head_dim.

    Sources: GQA, arXiv 2305.13245; MLA, arXiv 2405.04434, section 2.1.
    """
    if rank := number(text, "kv_lora_rank"):
        return (Layer(rank + number(text, "qk_rope_head_dim")),) * (count + extra)
    attention = number(text, *HEADS)
    hidden = number(text, "hidden_size", "n_embd", "d_model")
    inner = text.get("attn_config")  # DBRX, MPT
    heads = number({**inner, **text} if isinstance(inner, dict) else text, *KV_HEADS) or attention
    if text.get("multi_query") is True and not text.get("new_decoder_architecture"):  # Falcon, StarCoder: one for all
        heads = 1
    size = number(text, "head_dim", "kv_channels") or (hidden // attention if attention else 0)
    if not heads or not size:
        raise StartError("config.json names no attention heads (num_attention_heads, hidden_size): planning needs them")
    windows = _windows(text, count)
    sharing = number(text, "num_kv_shared_layers")  # Gemma 3n: the last layers read the cache of earlier ones
    kept = windows[: count - sharing] if 0 < sharing < count else windows
    found = []
    for window in kept:
        wide, many = size, heads
        if not window:  # Gemma 4: layers over the whole context have heads of another size
            wide = number(text, "global_head_dim") or size
            many = number(text, "num_global_key_value_heads") or heads
        found.append(Layer(2 * many * wide, window, many, wide))
    return (*found, *[found[-1]] * extra)


def _windows(text: Mapping[str, Any], count: int) -> list[int]:
    """Each layer's window in tokens, 0 for the whole context."""
    window = number(text, "sliding_window")
    kinds = text.get("layer_types")
    if isinstance(kinds, list) and len(kinds) >= count:
        sizes = {"sliding_attention": window, "chunked_attention": number(text, "attention_chunk_size")}
        return [sizes.get(str(kind), 0) for kind in kinds[:count]]
    if chunk := number(text, "attention_chunk_size"):  # Llama 4: layers with RoPE, three of four where unsaid
        rope = text.get("no_rope_layers") or [(i + 1) % 4 for i in range(count)]
        return [chunk if with_rope else 0 for with_rope in rope[:count]]
    if not window or text.get("use_sliding_window") is False:
        return [0] * count
    letters = text.get("sliding_window_pattern")
    if isinstance(letters, str) and letters:  # EXAONE 4: LLLG, and the last one is global
        return [window if letters[i % len(letters)] == "L" and i < count - 1 else 0 for i in range(count)]
    pattern = number(text, "sliding_window_pattern", "_sliding_window_pattern") or PATTERNS.get(str(text.get("model_type")), 0)
    if pattern > 1:
        return [0 if (i + 1) % pattern == 0 else window for i in range(count)]
    first = number(text, "max_window_layers") if text.get("use_sliding_window") is True else 0
    return [window if i >= first else 0 for i in range(count)]


def unplanned(config: Mapping[str, Any], text: Mapping[str, Any]) -> str:
    """Why the KV cache of this model is not planned; "" where it is."""
    kinds = text.get("layer_types") or text.get("layers_block_type")
    named = any(kind in STATE_LAYERS for kind in kinds) if kinds else any(text.get(key) for key in STATE_KEYS)
    if named or "rwkv" in str(text.get("model_type")):
        return "it has layers that keep a state instead of a KV cache (Mamba, linear attention), whose memory vLLM pads by rules of its own"
    if 0 in (text.get("attn_type_list") or ()):
        return "it has layers of linear attention, which keep a state instead of a KV cache"
    if number(text, "index_topk"):
        return "its sparse attention keeps an index beside the KV cache, and vLLM lays both out by rules of its own"
    if config.get("is_encoder_decoder"):
        return "it is an encoder-decoder model, whose decoder also keeps the encoder's output"
    architecture = str((config.get("architectures") or [""])[0])
    if re.match(r"(Bert|Roberta|XLMRoberta|ModernBert|Deberta|DistilBert|NomicBert|Electra)", architecture):
        return "it is an encoder, which keeps none"
    return ""


def part_of(tensor: Tensor) -> str:
    """Where a tensor belongs: embedding, lm_head, experts, layers, or other (other towers, the last norm)."""
    if OTHER_TOWERS.search(tensor.name):
        return "other"
    if EMBEDDING.search(tensor.name):
        return "embedding"
    if HEAD.search(tensor.name) and not INSIDE.search(tensor.name):
        return "lm_head"
    if INSIDE.search(tensor.name):
        return "experts" if ".experts." in tensor.name else "layers"
    return "other"


def _is_linear(tensor: Tensor) -> bool:
    last = tensor.name.removesuffix(".weight").rpartition(".")[2]
    matrix = (len(tensor.shape) == 2 and tensor.name.endswith(".weight")) or (len(tensor.shape) == 3 and ".experts." in tensor.name)
    return matrix and tensor.dtype in FLOATS and not re.search(r"norm|embed|conv", last) and not ROUTER.search(tensor.name)


def _other_types(tensors: Sequence[Tensor]) -> str:
    """A word for weights that are no floats and that config.json says nothing of."""
    small = sum(tensor.bytes for tensor in tensors if tensor.dtype not in FLOATS)
    return "its own quantization" if small > 0.05 * sum(tensor.bytes for tensor in tensors) else ""


def _linear(tensor: Tensor) -> Linear:
    outputs, inputs = tensor.shape[-2:]
    return Linear(outputs, inputs, tensor.shape[0] if len(tensor.shape) == 3 else 1)


def _is_mtp(tensor: Tensor, layers: int) -> bool:
    """Layers for multi-token prediction, which vLLM loads only where it speculates with them (DeepSeek-V3, Qwen3-Next)."""
    inside = INSIDE.search(tensor.name)
    past = inside is not None and int(inside[1]) >= layers and not OTHER_TOWERS.search(tensor.name)
    return past or tensor.name.startswith(("mtp.", "model.mtp."))


def _kv_dtype(config: Mapping[str, Any]) -> str:
    """The KV cache's type where the checkpoint names one (compressed-tensors' kv_cache_scheme, ModelOpt's kv_cache_quant_algo)."""
    found = config.get("quantization_config")
    if not isinstance(found, dict):
        return ""
    scheme = found.get("kv_cache_scheme")
    named = isinstance(scheme, dict) and scheme.get("num_bits") == 8
    return "fp8" if named or str(found.get("kv_cache_quant_algo", "")).upper() == "FP8" else ""
