"""What a checkpoint is, read from its small files: config.json, the tokenizer's, the headers of its weights.

Nothing is loaded and no model library is imported, so this is done before anything heavy starts.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from server.engine import parsers
from server.errors import ModelNotFound, StartError

Task = Literal["generate", "embed", "score"]

LONGEST_HEADER = 100 * 2**20  # bytes: the format's own limit
WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.gguf")
CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "max_seq_len", "model_max_length")
EMBEDDING_ARCHITECTURES = ("ForMaskedLM", "Model", "ForTextEmbedding", "ForSentenceEmbedding")


@dataclass(frozen=True)
class Checkpoint:
    """A model folder. `weight_bytes` sums tensors; `quantization` is the checkpoint's own word, "" for none; `bits` 0 where unsaid.

    `said_beside`: the word stands in a file beside config.json, as the first versions of AutoGPTQ and AutoAWQ wrote it; vLLM
    reads that file, but has to be told to.
    """

    path: Path
    architecture: str
    model_type: str
    task: Task
    quantization: str
    said_beside: bool
    bits: int
    max_model_len: int
    head_size: int
    weight_bytes: int
    chat_template: bool
    tool_parser: str
    reasoning_parser: str


def inspect(path: Path) -> Checkpoint:
    """The checkpoint in the folder `path`. Raises ModelNotFound, StartError."""
    if not path.is_dir():
        raise ModelNotFound(f"no model folder at {path}: check `path`, or give a Hugging Face id such as Qwen/Qwen3-0.6B")
    if not (path / "config.json").is_file():
        raise ModelNotFound(f"{path} is not a model: it has no config.json; give the folder that holds config.json and *.safetensors")
    config = read_json(path / "config.json")
    weights = weight_bytes(path)
    text = _text_config(config)
    architecture = str((config.get("architectures") or [""])[0])
    template = chat_template(path)
    quantization, bits = quantized(config)
    beside = ("", 0) if quantization else quantized_beside(path)
    return Checkpoint(
        path=path,
        architecture=architecture,
        model_type=str(config.get("model_type", "")),
        task=task(path, architecture),
        quantization=quantization or beside[0],
        said_beside=bool(beside[0]),
        bits=bits or beside[1],
        max_model_len=_context(path, text),
        head_size=_head_size(text),
        weight_bytes=weights,
        chat_template=bool(template),
        tool_parser=parsers.tool_parser(template, architecture),
        reasoning_parser=parsers.reasoning_parser(template),
    )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in the file `path`. Raises StartError naming the file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StartError(f"cannot read {path}: {error}; copy or download the model again") from None
    if not isinstance(data, dict):
        raise StartError(f"cannot read {path}: it holds no JSON object; copy or download the model again")
    return data


def task(path: Path, architecture: str) -> Task:
    """What the model is for: a cross-encoder scores, a sentence-transformers folder or a bare encoder embeds, the rest generate."""
    if architecture.endswith(("ForSequenceClassification", "ForRewardModel")):
        return "score"
    if (path / "modules.json").is_file() or architecture.endswith(EMBEDDING_ARCHITECTURES):
        return "embed"
    return "generate"


def quantized(config: dict[str, Any]) -> tuple[str, int]:
    """The quantization method and its bits that config.json names; ("", 0) for a plain checkpoint."""
    found = config.get("quantization_config") or _text_config(config).get("quantization_config") or config.get("compression_config")
    if not isinstance(found, dict):
        return "", 0
    method = str(found.get("quant_method", "")).lower().replace("_", "-" if "compressed" in str(found.get("quant_method")) else "_")
    if method == "bitsandbytes":
        return method, 4 if found.get("load_in_4bit") else 8
    if method == "compressed-tensors":
        groups = found.get("config_groups") or {}
        weights = next((g.get("weights") or {} for g in groups.values() if isinstance(g, dict)), {})
        return method, int(weights.get("num_bits") or 0)
    if method == "torchao":
        return method, 4 if "int4" in json.dumps(found).lower() else 8
    return method, int(found.get("bits") or found.get("w_bit") or (8 if "fp8" in method else 0))


def quantized_beside(path: Path) -> tuple[str, int]:
    """The method and bits that a file beside config.json names: AutoGPTQ's quantize_config.json, AutoAWQ's quant_config.json."""
    for file, method in (("quantize_config.json", "gptq"), ("quant_config.json", "awq")):
        if (path / file).is_file():
            found = read_json(path / file)
            bits = found.get("bits") or found.get("w_bit")
            if isinstance(bits, int):
                return str(found.get("quant_method") or method).lower(), bits
    return "", 0


def chat_template(path: Path) -> str:
    """The chat template's text, or ""."""
    beside = path / "chat_template.jinja"
    if beside.is_file():
        return beside.read_text(encoding="utf-8", errors="replace")
    for name in ("tokenizer_config.json", "chat_template.json"):
        if (path / name).is_file():
            found = read_json(path / name).get("chat_template")
            if isinstance(found, list):
                found = next((t.get("template") for t in found if isinstance(t, dict)), None)
            if isinstance(found, str):
                return found
    return ""


def weight_bytes(path: Path) -> int:
    """Bytes of all tensors by the safetensors headers (file sizes for other formats). Raises ModelNotFound, StartError."""
    for pattern in WEIGHTS:
        files = sorted(path.glob(pattern))
        if files:
            if pattern != "*.safetensors":
                return sum(f.stat().st_size for f in files)
            return sum(_tensor_bytes(f) for f in files if not f.name.startswith("consolidated") or len(files) == 1)
    raise ModelNotFound(f"{path} has a config.json but no weights (*.safetensors): copy or download the model again")


def read_header(file: Path) -> tuple[dict[str, Any], int]:
    """A safetensors file's header, and the byte at which its tensors begin. Raises StartError.

    https://huggingface.co/docs/safetensors: eight bytes of header length, then JSON with each tensor's offsets.
    """
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > LONGEST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(opened.read(length))
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
    except (OSError, ValueError, struct.error) as error:
        raise _not_whole(file, error) from None
    return header, 8 + length


def _tensor_bytes(file: Path) -> int:
    header, begin = read_header(file)
    try:
        total = sum(t["data_offsets"][1] - t["data_offsets"][0] for name, t in header.items() if name != "__metadata__")
    except (KeyError, TypeError, IndexError) as error:
        raise _not_whole(file, error) from None
    if file.stat().st_size < begin + total:
        raise StartError(f"{file} is cut short ({file.stat().st_size} of {begin + total} bytes): copy or download it again")
    return int(total)


def _not_whole(file: Path, error: Exception) -> StartError:
    hint = "a Git LFS pointer; run `git lfs pull`" if _is_lfs_pointer(file) else f"{error}; copy or download it again"
    return StartError(f"{file} is not a whole safetensors file: {hint}")


def _is_lfs_pointer(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(40).startswith(b"version https://git-lfs")
    except OSError:
        return False


def _text_config(config: dict[str, Any]) -> dict[str, Any]:
    """A multimodal config keeps the language model's keys one level down."""
    inner = config.get("text_config") or config.get("llm_config")
    return {**config, **inner} if isinstance(inner, dict) else config


def _head_size(config: dict[str, Any]) -> int:
    """Numbers in one attention head; 0 where config.json does not say."""
    heads = config.get("num_attention_heads")
    if isinstance(size := config.get("head_dim"), int):
        return size
    return int(config["hidden_size"]) // heads if isinstance(heads, int) and heads and "hidden_size" in config else 0


def _context(path: Path, config: dict[str, Any]) -> int:
    sentence = path / "sentence_bert_config.json"
    if sentence.is_file() and (length := read_json(sentence).get("max_seq_length")):
        return int(length)
    return next((int(config[key]) for key in CONTEXT_KEYS if isinstance(config.get(key), int)), 0)
