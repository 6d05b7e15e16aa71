"""Made checkpoints: the tensors that libraries write, in files that can be read."""

from __future__ import annotations

import json
import os
import struct
from math import prod
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchError
from benchmarks.provenance import ROOT
from benchmarks.suite import checkpoints, tensors
from benchmarks.suite.shapes import shape
from benchmarks.suite.tensors import BYTES, FORMATS, Format


def header(file: Path) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and where its tensors begin."""
    with file.open("rb") as found:
        (length,) = struct.unpack("<Q", found.read(8))
        return json.loads(found.read(length)), 8 + length


def content(file: Path, name: str) -> bytes:
    described, start = header(file)
    begin, end = described[name]["data_offsets"]
    with file.open("rb") as found:
        found.seek(start + begin)
        return found.read(end - begin)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["demo", "tiny-qwen2", "tiny-qwen3"])
def test_a_file_holds_what_its_header_says(name: str, format: Format, tmp_path: Path) -> None:
    file = checkpoints.make(shape(name), format, tmp_path) / "model.safetensors"
    described, start = header(file)
    described.pop("__metadata__")
    places = sorted(entry["data_offsets"] for entry in described.values())
    assert [end - begin for begin, end in places] == [
        prod(entry["shape"]) * BYTES[entry["dtype"]] for entry in sorted(described.values(), key=lambda entry: entry["data_offsets"])
    ]
    assert [begin for begin, _ in places] == [0, *(end for _, end in places[:-1])]
    assert file.stat().st_size == start + places[-1][1]


def test_bf16_has_the_tensors_of_the_real_model(tmp_path: Path) -> None:
    made, _ = header(checkpoints.make(shape("demo"), "bf16", tmp_path) / "model.safetensors")
    real, _ = header(ROOT / "models/demo/model.safetensors")

    def kinds(described: dict[str, Any]) -> dict[str, Any]:
        return {name: (entry["dtype"], entry["shape"]) for name, entry in described.items() if name != "__metadata__"}

    assert kinds(made) == kinds(real)


def test_parameters_of_a_shape_are_the_elements_of_its_tensors() -> None:
    for name in ("Qwen2.5-0.5B", "Qwen3-8B", "Llama-3.1-8B"):
        assert sum(prod(tensor.size) for tensor in tensors.tensors(shape(name), "bf16")) == shape(name).parameters()


# One layer of 4864 outputs x 896 inputs, as GPTQModel 7.6 and bitsandbytes 0.50 write it: seven groups, 68,096 blocks.
LAYER = {
    "gptq": {"qweight": [112, 4864], "qzeros": [7, 608], "scales": [7, 4864], "g_idx": [896]},
    "awq": {"qweight": [896, 608], "qzeros": [7, 608], "scales": [7, 4864]},
    "bnb-nf4": {"weight": [2179072, 1], "weight.absmax": [68096], "weight.quant_map": [16]},
    "bnb-int8": {"weight": [4864, 896], "SCB": [4864], "weight_format": []},
    "fp8": {"weight": [4864, 896], "weight_scale": [4864, 1]},
    "bf16": {"weight": [4864, 896]},
}


@pytest.mark.parametrize("format", FORMATS)
def test_a_linear_layer_becomes_the_tensors_of_its_library(format: Format) -> None:
    made = {tensor.name.removeprefix("up."): list(tensor.size) for tensor in tensors.linear("up", 4864, 896, format)}
    made.pop("weight.quant_state.bitsandbytes__nf4", None)  # JSON; its length is the text's
    assert made == LAYER[format]


def test_what_bitsandbytes_wants_to_know_is_json_beside_the_weight(tmp_path: Path) -> None:
    file = checkpoints.make(shape("demo"), "bnb-nf4", tmp_path) / "model.safetensors"
    said = json.loads(content(file, "model.layers.0.mlp.down_proj.weight.quant_state.bitsandbytes__nf4"))
    assert said == {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [256, 512]}


def test_the_groups_of_gptq_count_up(tmp_path: Path) -> None:
    file = checkpoints.make(shape("demo"), "gptq", tmp_path) / "model.safetensors"
    groups = struct.unpack("<512i", content(file, "model.layers.3.mlp.down_proj.g_idx"))
    assert groups == tuple(place // 128 for place in range(512))


def test_scales_are_small_positive_numbers(tmp_path: Path) -> None:
    file = checkpoints.make(shape("demo"), "gptq", tmp_path) / "model.safetensors"
    values = struct.unpack("<1024e", content(file, "model.layers.0.mlp.gate_proj.scales"))
    assert min(values) > 0
    assert max(values) < 0.01


def test_bf16_is_the_upper_half_of_a_float() -> None:
    assert checkpoints.numbers([1.0, -2.5, 0.0], "BF16") == b"\x80\x3f\x20\xc0\x00\x00"


def test_unpacked_weights_take_no_disk(tmp_path: Path) -> None:
    file = checkpoints.make(shape("Qwen2.5-0.5B"), "bf16", tmp_path) / "model.safetensors"
    assert file.stat().st_size > 988_000_000
    assert os.stat(file).st_blocks * 512 < 2**20


def test_the_engine_fills_what_is_not_in_the_file() -> None:
    assert [format for format in FORMATS if checkpoints.flags(format) == ["--load-format", "dummy"]] == ["bf16", "fp8"]
    assert [format for format in FORMATS if checkpoints.flags(format) == []] == ["gptq", "awq", "bnb-nf4", "bnb-int8"]


def test_every_token_has_a_text(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    checkpoints.tokenizer(4096, tmp_path)
    made = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert made.get_vocab_size() == 4096
    assert [place for place in range(3, 4096) if not made.decode([place])] == []
    assert made.decode([4000, 4001]) == " w4000 w4001"


def test_the_filled_up_tokenizer_reads_text_as_the_demos_does(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    checkpoints.tokenizer(4096, tmp_path)
    text = "한국어와 English, 2026."
    made, real = (tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (tmp_path, ROOT / "models/demo"))
    assert made.encode(text).ids == real.encode(text).ids


def test_a_whole_checkpoint_is_not_made_again(tmp_path: Path) -> None:
    made = checkpoints.make(shape("demo"), "awq", tmp_path)
    before = (made / "model.safetensors").stat().st_mtime_ns
    assert checkpoints.make(shape("demo"), "awq", tmp_path) == made
    assert (made / "model.safetensors").stat().st_mtime_ns == before


def test_a_checkpoint_cut_short_is_made_again(tmp_path: Path) -> None:
    file = checkpoints.make(shape("demo"), "awq", tmp_path) / "model.safetensors"
    whole = file.stat().st_size
    os.truncate(file, whole // 2)
    checkpoints.make(shape("demo"), "awq", tmp_path)
    assert file.stat().st_size == whole


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SPARE", 2**60)
    with pytest.raises(BenchError, match=r"demo-awq needs 0.0 GiB of disk and .* GiB are free in .*: choose another with --out"):
        checkpoints.make(shape("demo"), "awq", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_only_what_takes_disk_is_removed(tmp_path: Path) -> None:
    kept = checkpoints.make(shape("Qwen2.5-0.5B"), "bf16", tmp_path)
    removed = checkpoints.make(shape("Qwen2.5-0.5B"), "bnb-nf4", tmp_path)
    checkpoints.remove(kept)
    checkpoints.remove(removed)
    assert [folder.exists() for folder in (kept, removed)] == [True, False]


@pytest.mark.parametrize("name", ["Llama-3.1-8B", "tiny-qwen2", "tiny-qwen3"])
def test_the_tensors_are_those_of_transformers_model(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    found = shape(name)
    config = transformers.AutoConfig.from_pretrained(checkpoints.make(found, "bf16", tmp_path))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items() if not (found.tied and key == "lm_head.weight")}
    assert {tensor.name: tensor.size for tensor in tensors.tensors(found, "bf16")} == expected
