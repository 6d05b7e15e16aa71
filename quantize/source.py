"""The model to quantize, read from its small files and the headers of its weights. Nothing is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from quantize import headers
from quantize.errors import SourceError
from quantize.headers import Tensor

Experts = Literal["", "separate", "fused"]

LAYER = re.compile(r"(?:^|.*?\.)(?:layers|layer|h|blocks)\.(\d+)\.(.+)$")
FLOATS = ("BF16", "F16", "F32")
TEMPLATE_FILES = ("tokenizer_config.json", "chat_template.json")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json", "tokenizer_config.json")
TRANSPOSED = ("gpt2", "openai-gpt", "gpt-sw3")  # their layers are Conv1D, not Linear
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length")


@dataclass(frozen=True)
class Linear:
    """A linear layer inside the decoder: `name` without `.weight`."""

    name: str
    outputs: int
    inputs: int
    bytes: int


@dataclass(frozen=True)
class Source:
    """A model folder. Bytes are sums over tensors, by the safetensors headers. `config` is config.json as it stands; `dtype`
    that of the linear weights (BF16, F16 or F32); `context` its longest sequence in tokens, 0 where unsaid; `experts` says
    whether it is a mixture of experts, and whether they lie in one tensor; `own_code` whether it needs Python of its own."""

    path: Path
    name: str
    architecture: str
    model_type: str
    config: Mapping[str, Any]
    layers: int
    linears: tuple[Linear, ...]
    weight_bytes: int
    largest_layer: int  # bytes of the largest decoder layer
    chat_template: bool
    dtype: str = "BF16"
    context: int = 0
    hidden_size: int = 0
    vocabulary: int = 0
    tied: bool = False  # the output layer is the embedding
    experts: Experts = ""
    own_code: bool = False
    other_modules: tuple[str, ...] = ()  # modules with a matrix that are no decoder linears: lm_head, embeddings

    @property
    def linear_bytes(self) -> int:
        return sum(linear.bytes for linear in self.linears)

    def kept(self, ignore: Iterable[str]) -> list[Linear]:
        """The linear layers that `ignore` (names or re:REGEX) leaves as they are."""
        patterns = list(ignore)
        return [linear for linear in self.linears if any(matches(linear.name, pattern) for pattern in patterns)]

    def quantized(self, ignore: Iterable[str]) -> list[Linear]:
        """The linear layers that `ignore` does not leave out."""
        kept = {linear.name for linear in self.kept(ignore)}
        return [linear for linear in self.linears if linear.name not in kept]


def matches(name: str, pattern: str) -> bool:
    """Whether an entry of `ignore` means the layer `name`: the whole name, its end after a dot, or re:REGEX from its start."""
    if pattern.startswith("re:"):
        return re.match(pattern[3:], name) is not None
    return name == pattern or name.endswith(f".{pattern}")


def read(folder: Path) -> Source:
    """The model in `folder`. Raises SourceError in one sentence; reads a few kilobytes a weight file."""
    config = _config(folder)
    architecture = _architecture(folder, config)
    text = {**config, **text_config} if isinstance(text_config := config.get("text_config"), dict) else config
    tensors = headers.read(folder)
    per_layer: dict[int, int] = {}
    linears: list[Linear] = []
    experts: Experts = ""
    others: list[str] = []
    for tensor in tensors:
        inside = LAYER.match(tensor.name)
        if inside:
            per_layer[int(inside[1])] = per_layer.get(int(inside[1]), 0) + tensor.bytes
            if "experts." in tensor.name and (len(tensor.shape) == 3 or not experts):
                experts = "fused" if len(tensor.shape) == 3 else "separate"
        if len(tensor.shape) == 2 and tensor.name.endswith(".weight"):
            name = tensor.name.removesuffix(".weight")
            if inside and not re.search(r"embed|norm", name.rpartition(".")[2]):
                linears.append(Linear(name, *tensor.shape, bytes=tensor.bytes))
            else:
                others.append(name)
    if not linears:
        raise SourceError(f"{folder} has no linear layers inside decoder layers: there is nothing to quantize in a {architecture}")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise SourceError(f"{folder} has no tokenizer (tokenizer.json): copy the tokenizer's files of the model into it")
    hidden, vocabulary, context = (int(text.get(key) or 0) for key in ("hidden_size", "vocab_size", _context_key(text)))
    return Source(
        path=folder,
        name=_name(folder),
        architecture=architecture,
        model_type=str(config.get("model_type", "")),
        config=config,
        layers=len(per_layer),
        linears=tuple(linears),
        weight_bytes=sum(tensor.bytes for tensor in tensors),
        largest_layer=max(per_layer.values()),
        chat_template=_has_template(folder),
        dtype=_dtype(folder, tensors, {linear.name for linear in linears}),
        context=context,
        hidden_size=hidden,
        vocabulary=vocabulary,
        tied=bool(text.get("tie_word_embeddings", False)) and "lm_head" not in others,
        experts=experts,
        own_code="auto_map" in config,
        other_modules=tuple(others),
    )


def _config(folder: Path) -> dict[str, Any]:
    if folder.is_file():
        what = (
            headers.gguf(folder) if folder.suffix == ".gguf" else f"{folder} is a file, not a model: give the folder that holds config.json"
        )
        raise SourceError(what)
    if not folder.is_dir():
        raise SourceError(f"no model folder at {folder}: check the path, or give a Hugging Face id such as Qwen/Qwen3-0.6B")
    file = folder / "config.json"
    if not file.is_file():
        if any(folder.glob("*.gguf")):
            raise SourceError(headers.gguf(folder))
        raise SourceError(f"{folder} is not a model: it has no config.json; give the folder that holds config.json and *.safetensors")
    config = _json(file)
    found = config.get("quantization_config") or config.get("compression_config")
    if not found and isinstance(config.get("text_config"), dict):
        found = config["text_config"].get("quantization_config")
    if found:
        method = found.get("quant_method", "unknown") if isinstance(found, dict) else found
        raise SourceError(f"{folder} is already quantized ({method}): give the original model (its card names it as base_model)")
    return config


def _json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{file} is not JSON ({error}): copy or download it again") from None
    if not isinstance(data, dict):
        raise SourceError(f"{file} holds no JSON object: copy or download it again")
    return data


def _architecture(folder: Path, config: Mapping[str, Any]) -> str:
    """The text-generation architecture. Raises SourceError for what is none, or is one that cannot be quantized here."""
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    if not architecture:
        raise SourceError(f'{folder / "config.json"} names no architecture: add it, such as "architectures": ["LlamaForCausalLM"]')
    text = "only text-generation models (…ForCausalLM) can be quantized here"
    if (folder / "modules.json").is_file():
        raise SourceError(f"{folder} is an embedding model: {text}")
    if config.get("is_encoder_decoder"):
        raise SourceError(f"{folder} is an encoder-decoder model ({architecture}): {text}")
    if "vision_config" in config or "audio_config" in config or architecture.endswith("ForConditionalGeneration"):
        raise SourceError(f"{folder} is a model of text and images or sound ({architecture}): {text}; give its text-only sibling")
    if not architecture.endswith(("ForCausalLM", "LMHeadModel")):
        kind = "a classifier" if re.search(r"Classification|Reward", architecture) else "an encoder or embedding model"
        raise SourceError(f"{folder} is {kind} ({architecture}): {text}")
    if config.get("model_type") in TRANSPOSED:
        raise SourceError(f"{folder} is a {config['model_type']} model: its layers are Conv1D, which the libraries leave as they are")
    return architecture


def _dtype(folder: Path, tensors: Iterable[Tensor], linears: set[str]) -> str:
    found: dict[str, str] = {}
    for tensor in tensors:
        if tensor.name.removesuffix(".weight") in linears:
            if tensor.dtype not in FLOATS:
                raise SourceError(
                    f"{folder} has weights of type {tensor.dtype} ({tensor.name}), so it is already quantized or not a float model: "
                    "give the original one in bfloat16, float16 or float32"
                )
            found.setdefault(tensor.dtype, tensor.name)
    if len(found) > 1:
        mixed = " and ".join(f"{dtype} ({name})" for dtype, name in found.items())
        raise SourceError(f"{folder} mixes weights of types {mixed}: save it in one type, such as model.to(torch.bfloat16), and give that")
    return next(iter(found))


def _has_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file():
        return True
    return any((folder / name).is_file() and _json(folder / name).get("chat_template") for name in TEMPLATE_FILES)


def _context_key(config: Mapping[str, Any]) -> str:
    return next((key for key in CONTEXT_KEYS if isinstance(config.get(key), int)), CONTEXT_KEYS[0])


def _name(folder: Path) -> str:
    """The folder's name, or org/name for a folder of the hub's cache (models--org--name/snapshots/COMMIT)."""
    folder = folder.resolve()
    cached = next((p.name for p in folder.parents if p.name.startswith("models--")), None)
    return cached.removeprefix("models--").replace("--", "/") if cached else folder.name
