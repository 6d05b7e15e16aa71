"""GPTQModel's methods: what they write, read without the library that wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("gptqmodel")

from quantize import source  # noqa: E402
from quantize.methods import METHODS  # noqa: E402
from quantize.methods._gptqmodel import has_experts, tidy  # noqa: E402
from quantize.recipe import Recipe  # noqa: E402
from quantize.stream import Weights  # noqa: E402
from tests.quantize.methods.making import Made, check_told, make  # noqa: E402
from tests.quantize.methods.models import DEMO, write  # noqa: E402

NAMES = ("gptq", "awq")
SYMMETRIC = {"gptq": True, "awq": False}
KEPT = "layers.1.mlp.down_proj"
LAYER = "model.layers.0.mlp.down_proj"
SMALL = {"config.json", "chat_template.jinja", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
AWQ_ORDER = (0, 4, 1, 5, 2, 6, 3, 7)  # where in an int32 AutoAWQ's format puts the eight integers


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Each method's checkpoint, one layer kept as it is."""
    return {
        name: make(name, tmp_path_factory.mktemp(name), method=name, symmetric=SYMMETRIC[name], ignore=("lm_head", KEPT)) for name in NAMES
    }


@pytest.mark.engine
@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_is_what_a_reader_needs_and_nothing_else(made: dict[str, Made], name: str) -> None:
    assert {path.name for path in made[name].folder.iterdir()} == SMALL | {"model.safetensors", "quantize_config.json"}
    assert made[name].config["quant_method"] == name
    for file in SMALL - {"config.json"}:
        assert (made[name].folder / file).read_bytes() == (DEMO / file).read_bytes()


@pytest.mark.engine
@pytest.mark.parametrize("name", NAMES)
def test_no_path_of_the_machine_that_made_it_is_in_a_checkpoint(made: dict[str, Made], name: str) -> None:
    for file in ("config.json", "quantize_config.json"):
        assert str(made[name].folder.parent) not in (made[name].folder / file).read_text()


@pytest.mark.engine
@pytest.mark.parametrize("name", NAMES)
def test_every_linear_layer_is_quantized_but_the_kept_one(made: dict[str, Made], name: str) -> None:
    stored = made[name].names()
    for linear in source.read(DEMO).linears:
        quantized = {f"{linear.name}.qweight", f"{linear.name}.scales", f"{linear.name}.qzeros"} <= stored
        assert quantized != linear.name.endswith(KEPT), linear.name
    assert (f"model.{KEPT}" in str(made[name].config)) or (KEPT.replace(".", r"\.") in str(made[name].config).replace("\\\\", "\\"))
    with Weights(DEMO) as weights:
        assert torch.equal(made[name].read(f"model.{KEPT}.weight")[0], weights.read(f"model.{KEPT}.weight"))


@pytest.mark.engine
@pytest.mark.parametrize("name", NAMES)
def test_every_phase_and_every_layer_is_told_and_nothing_else_is_on_stdout(made: dict[str, Made], name: str) -> None:
    check_told(made[name], "gptqmodel")


@pytest.mark.engine
def test_gptq_orders_columns_within_groups_that_stay_so_that_every_engine_serves_it(made: dict[str, Made]) -> None:
    (groups,) = made["gptq"].read(f"{LAYER}.g_idx")
    assert groups.tolist() == [column // 128 for column in range(512)]
    assert made["gptq"].config["desc_act"] is False
    assert made["gptq"].config["meta"]["static_groups"] is True


def parts(packed: torch.Tensor, order: tuple[int, ...] = tuple(range(8))) -> torch.Tensor:
    """The eight 4-bit integers of each int32, on a last axis of their own."""
    return torch.stack([(packed >> (4 * place)) & 15 for place in order], dim=-1)


@pytest.mark.engine
def test_gptqs_weights_are_near_the_sources(made: dict[str, Made]) -> None:
    packed, scales, zeros = made["gptq"].read(f"{LAYER}.qweight", f"{LAYER}.scales", f"{LAYER}.qzeros")
    integers = parts(packed).permute(0, 2, 1).reshape(-1, packed.shape[1])  # inputs x outputs
    assert set(parts(zeros).flatten().tolist()) == {7}  # symmetric: 8, which the format stores less one
    assert (
        off((integers - 8).float() * scales.float().repeat_interleave(128, dim=0)) < 0.3
    )  # twice that of rounding: what counts are the outputs


@pytest.mark.engine
def test_awqs_weights_are_near_the_sources(made: dict[str, Made]) -> None:
    packed, scales, zeros = made["awq"].read(f"{LAYER}.qweight", f"{LAYER}.scales", f"{LAYER}.qzeros")
    integers, middles = (parts(each, AWQ_ORDER).reshape(each.shape[0], -1) for each in (packed, zeros))
    found = (integers - middles.repeat_interleave(128, dim=0)).float() * scales.float().repeat_interleave(128, dim=0)
    # what flows into down_proj comes out of up_proj, whose outputs AWQ may have scaled: column by column, all weights alike
    with Weights(DEMO) as weights:
        weight = weights.read(f"{LAYER}.weight").float().T
    factor = (found * weight).sum(dim=1, keepdim=True) / (weight * weight).sum(dim=1, keepdim=True)
    assert off(found / factor) < 0.2


def off(found: torch.Tensor) -> float:
    """The error of an inputs x outputs matrix as a share of the weights' own size."""
    with Weights(DEMO) as weights:
        weight = weights.read(f"{LAYER}.weight").float().T
    return float((found - weight).norm() / weight.norm())


@pytest.mark.engine
def test_the_same_seed_and_samples_make_the_same_bytes(made: dict[str, Made], tmp_path: Path) -> None:
    again = make("gptq", tmp_path, method="gptq", symmetric=True, ignore=("lm_head", KEPT))
    for path in made["gptq"].folder.iterdir():
        assert (again.folder / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.engine
def test_biases_and_several_files_are_kept_and_short_samples_are_enough(tmp_path: Path) -> None:
    model = write("biases, three files", tmp_path / "model")
    quantized = make("gptq", tmp_path, method="gptq", symmetric=True, source=model, group_size=64, length=2)
    name = "model.layers.0.self_attn.q_proj.bias"
    with Weights(model) as weights:
        assert torch.allclose(quantized.read(name)[0].float(), weights.read(name).float(), atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_predicted_peak_grows_with_the_calibration_set(name: str) -> None:
    peak, model = METHODS[name].peak, source.read(DEMO)
    few, many = Recipe(calibration="own.jsonl", samples=64), Recipe(calibration="own.jsonl", samples=1024)
    assert 0 < peak(model, few) < peak(model, many)


@pytest.mark.parametrize(("kind", "experts"), [("experts", True), ("tied", False)])
def test_a_mixture_of_experts_is_known_by_its_configuration(tmp_path: Path, kind: str, experts: bool) -> None:
    assert has_experts(write(kind, tmp_path / "model")) is experts


def test_tidying_leaves_no_path_and_no_activation_order(tmp_path: Path) -> None:
    about = {"desc_act": True, "bits": 4, "meta": {"offload_to_disk_path": "/somewhere", "static_groups": True}}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "quantization_config": about}))
    (tmp_path / "quantize_config.json").write_text(json.dumps(about))
    (tmp_path / "quant_log.csv").write_text("layer,loss\n")
    tidy(tmp_path)
    clean = {"desc_act": False, "bits": 4, "meta": {"static_groups": True}}
    assert json.loads((tmp_path / "config.json").read_text())["quantization_config"] == clean
    assert json.loads((tmp_path / "quantize_config.json").read_text()) == clean
    assert not (tmp_path / "quant_log.csv").exists()
