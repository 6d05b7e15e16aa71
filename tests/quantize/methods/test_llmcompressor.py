"""llm-compressor's methods: what they write, read without the library that wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from quantize import source  # noqa: E402
from quantize.methods import METHODS  # noqa: E402
from quantize.methods._compressed import in_order  # noqa: E402
from quantize.recipe import Recipe  # noqa: E402
from quantize.stream import Weights  # noqa: E402
from tests.quantize.methods.making import Made, check_told, make  # noqa: E402
from tests.quantize.methods.models import DEMO  # noqa: E402

NAMES = ("w8a8", "fp8", "gptq-ct", "awq-ct", "rtn")
KEPT = "layers.1.mlp.down_proj"
LAYER = "model.layers.0.mlp.down_proj"
SMALL = {"config.json", "chat_template.jinja", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Each method's checkpoint, one layer kept as it is."""
    return {name: make(name, tmp_path_factory.mktemp(name), method=name, ignore=(KEPT,)) for name in NAMES}


@pytest.mark.engine
@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_is_what_a_reader_needs_and_nothing_else(made: dict[str, Made], name: str) -> None:
    files = {path.name for path in made[name].folder.iterdir()}
    assert files == SMALL | {"model.safetensors"}
    assert made[name].config["quant_method"] == "compressed-tensors"
    for file in SMALL - {"config.json"}:
        assert (made[name].folder / file).read_bytes() == (DEMO / file).read_bytes()


@pytest.mark.engine
@pytest.mark.parametrize("name", NAMES)
def test_every_linear_layer_is_quantized_but_the_kept_one(made: dict[str, Made], name: str) -> None:
    stored, packed = made[name].names(), "weight" if name in ("fp8", "w8a8") else "weight_packed"
    for linear in source.read(DEMO).linears:
        quantized = {f"{linear.name}.{packed}", f"{linear.name}.weight_scale"} <= stored
        assert quantized != linear.name.endswith(KEPT), linear.name
    assert f"model.{KEPT}" in made[name].config["ignore"]
    assert "lm_head" in made[name].config["ignore"]


@pytest.mark.engine
@pytest.mark.parametrize("name", ["fp8", "rtn"])
def test_what_is_kept_has_the_bytes_of_the_source(made: dict[str, Made], name: str) -> None:
    kept = [f"model.{KEPT}.weight", "model.embed_tokens.weight", "model.norm.weight"]
    with Weights(DEMO) as weights:
        assert all(torch.equal(found, weights.read(each)) for each, found in zip(kept, made[name].read(*kept), strict=True))


@pytest.mark.engine
@pytest.mark.parametrize("name", NAMES)
def test_every_phase_and_every_layer_is_told_and_nothing_else_is_on_stdout(made: dict[str, Made], name: str) -> None:
    check_told(made[name], "llmcompressor")


def unpacked(packed: Any, scale: Any) -> Any:
    """compressed-tensors' layout of 4-bit integers: eight in an int32, the first in the lowest bits, 8 added to each."""
    parts = torch.stack([(packed >> (4 * place)) & 15 for place in range(8)], dim=-1)
    integers = parts.reshape(packed.shape[0], -1) - 8
    return integers.float() * scale.float().repeat_interleave(integers.shape[1] // scale.shape[1], dim=1)


@pytest.mark.engine
def test_plain_rounding_is_half_a_step_off_at_most(made: dict[str, Made]) -> None:
    packed, scale = made["rtn"].read(f"{LAYER}.weight_packed", f"{LAYER}.weight_scale")
    with Weights(DEMO) as weights:
        weight = weights.read(f"{LAYER}.weight").float()
    steps = scale.float().repeat_interleave(weight.shape[1] // scale.shape[1], dim=1)
    assert scale.shape[1] == weight.shape[1] // 128
    # a bfloat16 divided by a bfloat16 is off by a 256th of at most 8 steps
    assert ((unpacked(packed, scale) - weight).abs() <= (0.5 + 8 / 256) * steps).all()


@pytest.mark.engine
def test_fp8_is_within_the_precision_of_its_three_bits(made: dict[str, Made]) -> None:
    quantized, scale = made["fp8"].read(f"{LAYER}.weight", f"{LAYER}.weight_scale")
    with Weights(DEMO) as weights:
        weight = weights.read(f"{LAYER}.weight").float()
    assert quantized.dtype == torch.float8_e4m3fn
    error = (quantized.float() * scale.float() - weight).abs()
    assert (error <= weight.abs() / 15 + scale.float() * 2**-9).all()


@pytest.mark.engine
@pytest.mark.parametrize("name", ["gptq-ct", "w8a8"])
def test_the_same_seed_and_samples_make_the_same_bytes(made: dict[str, Made], name: str, tmp_path: Path) -> None:
    again = make(name, tmp_path, method=name, ignore=(KEPT,))
    for path in made[name].folder.iterdir():
        assert (again.folder / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.engine
def test_files_are_no_larger_than_the_shard_size(tmp_path: Path) -> None:
    sharded = make("rtn", tmp_path, method="rtn", shard_size=10**6)
    files = sorted(sharded.folder.glob("*.safetensors"))
    assert len(files) > 1
    assert all(file.stat().st_size < 10**6 + 2**17 for file in files)
    index = json.loads((sharded.folder / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == sharded.names()


@pytest.mark.parametrize("name", ["w8a8", "gptq-ct", "awq-ct"])
def test_the_predicted_peak_grows_with_the_calibration_set(name: str) -> None:
    peak, model = METHODS[name].peak, source.read(DEMO)
    few, many = Recipe(calibration="own.jsonl", samples=64), Recipe(calibration="own.jsonl", samples=1024)
    assert 0 < peak(model, few) < peak(model, many)


def test_layers_are_written_one_after_the_other_whatever_file_they_lie_in() -> None:
    names = ["model.layers.10.a", "model.layers.2.b", "model.norm.weight", "model.layers.2.a", "model.embed.weight"]
    assert in_order(names) == [
        (False, ["model.embed.weight", "model.norm.weight"]),
        (True, ["model.layers.2.a", "model.layers.2.b"]),
        (True, ["model.layers.10.a"]),
    ]
