"""Models are known by config.json and the headers of their weights; each that cannot be quantized is one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quantize.errors import SourceError
from quantize.source import matches, read
from tests.quantize import models


def refused(folder: Path) -> str:
    with pytest.raises(SourceError) as caught:
        read(folder)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_the_demo_model():
    source = read(models.DEMO)
    assert (source.name, source.architecture, source.model_type, source.layers) == ("demo", "LlamaForCausalLM", "llama", 4)
    assert len(source.linears) == 4 * 7
    assert source.weight_bytes == sum(linear.bytes for linear in source.linears) + 2048 * 256 * 2 + (4 * 2 + 1) * 256 * 2
    assert source.dtype == "BF16"
    assert source.context == 2048
    assert source.tied
    assert source.chat_template


def test_linears_have_outputs_before_inputs(tmp_path: Path):
    source = read(models.folder(tmp_path / "m", models.llama(hidden=64, inner=192)))
    down = next(linear for linear in source.linears if linear.name == "model.layers.1.mlp.down_proj")
    assert (down.outputs, down.inputs, down.bytes) == (64, 192, 64 * 192 * 2)


def test_the_largest_layer_counts_all_of_its_tensors(tmp_path: Path):
    tensors = {**models.layer(0), **models.layer(1, inner=256)}
    source = read(models.folder(tmp_path / "m", tensors))
    assert source.largest_layer == sum(2 * shape[0] * (shape[1] if len(shape) > 1 else 1) for shape in models.layer(1, inner=256).values())


def test_a_separate_output_layer_is_no_decoder_linear(tmp_path: Path):
    source = read(models.folder(tmp_path / "m", tie_word_embeddings=True))
    assert "lm_head" not in [linear.name for linear in source.linears]
    assert "lm_head" in source.other_modules
    assert not source.tied


def test_shards_named_by_an_index_are_read_and_others_left_alone(tmp_path: Path):
    folder = models.folder(tmp_path / "m", models.layer(0))
    models.weights(folder / "second.safetensors", {name: ("BF16", shape) for name, shape in models.layer(1).items()})
    models.weights(folder / "stray.safetensors", {"model.layers.7.mlp.up_proj.weight": ("BF16", (8, 8))})
    names = {**dict.fromkeys(models.layer(0), "model.safetensors"), **dict.fromkeys(models.layer(1), "second.safetensors")}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert read(folder).layers == 2


def test_a_folder_of_the_hubs_cache_has_the_models_name(tmp_path: Path):
    folder = models.folder(tmp_path / "models--org--small-model" / "snapshots" / "0123abcd")
    assert read(folder).name == "org/small-model"


def test_keys_of_the_text_model_one_level_down_are_found(tmp_path: Path):
    text = {"hidden_size": 64, "max_position_embeddings": 333, "vocab_size": 32}
    assert read(models.folder(tmp_path / "m", max_position_embeddings=None, text_config=text)).context == 333


@pytest.mark.parametrize(
    ("name", "pattern", "meant"),
    [
        ("model.layers.0.mlp.down_proj", "down_proj", True),
        ("model.layers.0.mlp.down_proj", "mlp.down_proj", True),
        ("model.layers.0.mlp.down_proj", "own_proj", False),
        ("model.layers.10.mlp.down_proj", r"re:model\.layers\.1\.", False),
        ("model.layers.10.mlp.down_proj", r"re:.*layers\.1\d", True),
    ],
)
def test_what_an_entry_of_ignore_means(name: str, pattern: str, meant: bool):
    assert matches(name, pattern) is meant


def test_ignored_layers_are_kept_and_the_others_quantized(tmp_path: Path):
    source = read(models.folder(tmp_path / "m"))
    kept = source.kept(("down_proj", "re:.*layers.0.*"))
    assert len(kept) == 7 + 1
    assert len(source.quantized(("down_proj", "re:.*layers.0.*"))) == 14 - 8


# What is no model


def test_no_such_folder(tmp_path: Path):
    assert refused(tmp_path / "none").startswith(f"no model folder at {tmp_path / 'none'}: check the path, or give a Hugging Face id")


def test_a_folder_that_is_no_model(tmp_path: Path):
    assert "it has no config.json" in refused(tmp_path)


def test_a_gguf_file(tmp_path: Path):
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    assert "is GGUF, which is already quantized" in refused(file)


def test_a_folder_of_gguf(tmp_path: Path):
    (tmp_path / "model-q4.gguf").write_bytes(b"GGUF")
    assert "is GGUF" in refused(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(models.config()))
    assert "is GGUF" in refused(tmp_path)


def test_another_file(tmp_path: Path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"")
    assert "is a file, not a model: give the folder" in refused(file)


def test_pickled_weights_alone(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "has its weights in pytorch_model.bin, not in safetensors: convert it to safetensors with `python -c" in refused(folder)


def test_no_weights(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "model.safetensors").unlink()
    assert "no weights (*.safetensors)" in refused(folder)


def test_an_adapter(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")
    assert "is a LoRA adapter, not a model: merge it" in refused(folder)


@pytest.mark.parametrize("left", [0, 5, 200, -1])
def test_weights_cut_short_are_named_with_what_is_there(tmp_path: Path, left: int):
    folder = models.folder(tmp_path / "m")
    file = folder / "model.safetensors"
    length = left if left >= 0 else file.stat().st_size - 1
    with file.open("r+b") as opened:
        opened.truncate(length)
    assert f"{file} is cut short: {length:,} bytes are there" in refused(folder)


def test_a_git_lfs_pointer(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n")
    assert "is a Git LFS pointer, not the weights: run `git lfs pull`" in refused(folder)


def test_a_file_that_only_claims_to_be_safetensors(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "model.safetensors").write_bytes(b"<!DOCTYPE html><html>not found</html>")
    assert "is not a safetensors file" in refused(folder)


def test_a_header_that_is_not_json(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "model.safetensors").write_bytes((4).to_bytes(8, "little") + b"{{{{")
    assert "is not a whole safetensors file" in refused(folder)


def test_an_index_that_names_a_missing_shard(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": "b.safetensors", "c": "c.safetensors"}}))
    assert f"{index} names b.safetensors and 1 more, and it is not there" in refused(folder)


def test_an_index_that_points_elsewhere(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../secret.safetensors"}}))
    assert "model.safetensors.index.json" in refused(folder)


def test_shards_that_are_missing_without_an_index(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00003.safetensors")
    assert "has 1 of 3 weight files" in refused(folder)


def test_a_configuration_that_is_not_json(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "config.json").write_text("{,}")
    assert f"{folder / 'config.json'} is not JSON" in refused(folder)


@pytest.mark.parametrize("where", ["quantization_config", "text_config"])
def test_an_already_quantized_model_is_named_by_its_method(tmp_path: Path, where: str):
    quantized = {"quant_method": "gptq", "bits": 4}
    folder = models.folder(tmp_path / "m", **{where: quantized if where == "quantization_config" else {"quantization_config": quantized}})
    assert refused(folder) == f"{folder} is already quantized (gptq): give the original model (its card names it as base_model)"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "an encoder or embedding model (BertForMaskedLM)"),
        ({"architectures": ["BertModel"]}, "an encoder or embedding model (BertModel)"),
        ({"architectures": ["Qwen3ForSequenceClassification"]}, "a classifier (Qwen3ForSequenceClassification)"),
        ({"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, "an encoder-decoder model"),
        ({"architectures": ["Gemma3ForConditionalGeneration"], "vision_config": {}}, "a model of text and images or sound"),
    ],
)
def test_models_that_do_not_generate_text(tmp_path: Path, changes: dict[str, object], what: str):
    assert f"is {what}" in refused(models.folder(tmp_path / "m", **changes))


def test_an_embedding_model_in_the_clothes_of_a_language_model(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "modules.json").write_text("[]")
    assert "is an embedding model" in refused(folder)


def test_no_architecture(tmp_path: Path):
    assert 'names no architecture: add it, such as "architectures"' in refused(models.folder(tmp_path / "m", architectures=None))


def test_layers_that_are_not_linear(tmp_path: Path):
    folder = models.folder(tmp_path / "m", architectures=["GPT2LMHeadModel"], model_type="gpt2")
    assert "its layers are Conv1D" in refused(folder)


@pytest.mark.parametrize("dtype", ["I8", "F8_E4M3"])
def test_weights_that_are_no_floats(tmp_path: Path, dtype: str):
    assert f"has weights of type {dtype}" in refused(models.folder(tmp_path / "m", dtype=dtype))


def test_mixed_weights(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    shapes = {**models.layer(0), **models.layer(1)}
    mixed = {name: ("F32" if "down" in name else "BF16", shape) for name, shape in shapes.items()}
    models.weights(folder / "model.safetensors", mixed)
    assert "mixes weights of types" in refused(folder)


def test_norms_in_another_type_are_no_mixture(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    mixed = {name: ("F32" if "norm" in name else "BF16", shape) for name, shape in models.llama().items()}
    models.weights(folder / "model.safetensors", mixed)
    assert read(folder).dtype == "BF16"


def test_no_tokenizer(tmp_path: Path):
    folder = models.folder(tmp_path / "m")
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer" in refused(folder)


def test_no_linear_layers(tmp_path: Path):
    assert "has no linear layers" in refused(models.folder(tmp_path / "m", {"model.embed_tokens.weight": (32, 64)}))


@pytest.mark.parametrize(("tensor", "experts"), [("experts.0.up_proj.weight", "separate"), ("experts.gate_up_proj", "fused")])
def test_a_mixture_of_experts_is_known(tmp_path: Path, tensor: str, experts: str):
    shape = (8, 64, 64) if experts == "fused" else (64, 64)
    tensors = {**models.llama(), f"model.layers.0.mlp.{tensor}": shape}
    assert read(models.folder(tmp_path / "m", tensors)).experts == experts


def test_reading_imports_nothing_heavy():
    code = f"""
import sys
from pathlib import Path
from quantize import gate, source
source.read(Path({str(models.DEMO)!r}))
print([name for name in ("torch", "transformers", "numpy", "gptqmodel", "datasets") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=models.ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
