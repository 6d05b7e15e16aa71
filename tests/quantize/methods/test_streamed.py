"""The methods that go through the weights one by one write what transformers would have written with the model in memory."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from quantize.errors import SourceError  # noqa: E402
from quantize.job import Event, Job  # noqa: E402
from quantize.methods import bnb_int8, bnb_nf4, int8, int8_dynamic  # noqa: E402
from quantize.methods.method import Method  # noqa: E402
from quantize.recipe import Recipe  # noqa: E402
from tests.quantize.methods.models import DEMO, read_config, write  # noqa: E402

WAYS: dict[str, tuple[Method, dict[str, Any]]] = {
    "bnb-int8": (bnb_int8.METHOD, {}),
    "bnb-nf4": (bnb_nf4.METHOD, {}),
    "bnb-nf4 double": (bnb_nf4.METHOD, {"double_quant": True}),
    "int8": (int8.METHOD, {}),
    "int8-dynamic": (int8_dynamic.METHOD, {}),
}
ODD = ("bnb-nf4 double", "int8")  # the ways that go through every model: one of each library
MODELS = ("tied", "biases, three files", "joined layers", "float32", "float16")


@pytest.fixture(autouse=True)
def _libraries_may_warn() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {"demo": DEMO, **{kind: write(kind, folder / kind.replace(" ", "-")) for kind in (*MODELS, "experts")}}


def quantize(way: str, source: Path, out: Path, **recipe: Any) -> list[Event]:
    method, differing = WAYS[way]
    out.mkdir()
    events: list[Event] = []
    whole = Recipe(method=method.name, bits=method.bits[0], **{**differing, **recipe})
    method.run(Job(method.name, source, out, out, whole.model_dump()), events.append)
    return events


def reference(way: str, source: Path, out: Path, dtype: str) -> None:
    """The whole model in memory, by transformers."""
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig, TorchAoConfig

    config: Any
    if way == "bnb-int8":
        config = BitsAndBytesConfig(load_in_8bit=True)
    elif way.startswith("bnb-nf4"):
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
            bnb_4bit_use_double_quant="double" in way,
        )
    else:
        from torchao.quantization import Int8DynamicActivationInt8WeightConfig, Int8WeightOnlyConfig

        config = TorchAoConfig(Int8WeightOnlyConfig() if way == "int8" else Int8DynamicActivationInt8WeightConfig())
    model = AutoModelForCausalLM.from_pretrained(source, dtype=getattr(torch, dtype), quantization_config=config, device_map="cpu")
    model.save_pretrained(out)


def read(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors and the metadata of all files; torchao lists the parts of a tensor in no fixed order."""
    from safetensors import safe_open

    tensors, metadata = {}, {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            tensors.update({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
            metadata.update({name: json.loads(text) for name, text in opened.metadata().items() if name != "format"})
    for about in metadata.values():
        if isinstance(about, dict) and "_tensor_data_names" in about:
            about["_tensor_data_names"].sort()
    return tensors, metadata


@pytest.mark.parametrize(("way", "model"), [*((way, "demo") for way in WAYS), *((way, model) for way in ODD for model in MODELS)])
def test_the_checkpoint_is_what_transformers_writes(way: str, model: str, models: dict[str, Path], tmp_path: Path):
    dtype = "float16" if model == "float16" else "bfloat16"
    quantize(way, models[model], tmp_path / "ours")
    reference(way, models[model], tmp_path / "theirs", dtype)
    (ours, about), (theirs, about_theirs) = read(tmp_path / "ours"), read(tmp_path / "theirs")
    assert ours.keys() == theirs.keys()
    differing = [name for name in ours if ours[name].dtype != theirs[name].dtype or not torch.equal(ours[name], theirs[name])]
    assert differing == []
    assert about == about_theirs
    mine, his = read_config(tmp_path / "ours"), read_config(tmp_path / "theirs")
    assert mine["quantization_config"] == his["quantization_config"]
    assert (mine["dtype"], mine["architectures"]) == (dtype, his["architectures"])


@pytest.mark.parametrize("way", WAYS)
def test_the_same_inputs_give_the_same_bytes(way: str, tmp_path: Path):
    for name in ("one", "two"):
        quantize(way, DEMO, tmp_path / name)
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == sorted(file.name for file in (tmp_path / "two").iterdir())
    assert [name for name in files if (tmp_path / "one" / name).read_bytes() != (tmp_path / "two" / name).read_bytes()] == []


@pytest.mark.parametrize("way", WAYS)
def test_a_checkpoint_in_several_files_loads_as_the_one_file_does(way: str, tmp_path: Path):
    quantize(way, DEMO, tmp_path / "one")
    quantize(way, DEMO, tmp_path / "many", shard_size=10**6)
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 2
    (one, about), (many, about_many) = read(tmp_path / "one"), read(tmp_path / "many")
    assert one.keys() == many.keys()
    assert all(torch.equal(one[name], many[name]) for name in one)
    assert about == about_many
    index = json.loads((tmp_path / "many" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == many.keys()


def test_layers_are_counted_up_to_the_last(models: dict[str, Path], tmp_path: Path):
    events = quantize("bnb-int8", models["tied"], tmp_path / "out")
    assert [(event.kind, event.phase or (event.done, event.total)) for event in events] == [
        ("phase", "loading"),
        ("phase", "quantizing"),
        ("layer", (1, 2)),
        ("layer", (2, 2)),
        ("phase", "saving"),
    ]


@pytest.mark.parametrize(("way", "key"), [("bnb-nf4", "llm_int8_skip_modules"), ("int8", "modules_to_not_convert")])
def test_an_ignored_layer_keeps_its_weights_and_the_engine_is_told(way: str, key: str, models: dict[str, Path], tmp_path: Path):
    from safetensors.torch import load_file

    quantize(way, models["tied"], tmp_path / "out", ignore=("lm_head", r"re:.*layers\.1\.self_attn\.k_proj"))
    before, (after, _) = load_file(models["tied"] / "model.safetensors"), read(tmp_path / "out")
    kept = {f"model.layers.1.self_attn.{part}_proj" for part in "qkv"}
    assert all(torch.equal(after[f"{name}.weight"], before[f"{name}.weight"]) for name in kept)
    assert after.get("model.layers.0.self_attn.k_proj.weight", torch.empty(0, dtype=torch.int8)).dtype != torch.bfloat16
    assert {*kept, "model.layers.1.self_attn.qkv_proj"} <= {*read_config(tmp_path / "out")["quantization_config"][key]}


def test_the_tokenizer_and_the_chat_template_come_along_unchanged(tmp_path: Path):
    quantize("int8", DEMO, tmp_path / "out")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (DEMO / name).read_bytes()
    assert not list((tmp_path / "out").glob("*.py"))


def test_an_architecture_that_joins_tensors_when_it_is_loaded_is_refused_in_a_sentence(models: dict[str, Path], tmp_path: Path):
    with pytest.raises(SourceError, match=r"no tensor 'model\.layers\.0\.mlp\.gate\.weight', which Mixtral"):
        quantize("bnb-nf4", models["experts"], tmp_path / "out")


def test_a_tensor_that_is_missing_is_named(models: dict[str, Path], tmp_path: Path):
    from safetensors.torch import load_file, save_file

    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_bytes((models["tied"] / "config.json").read_bytes())
    tensors = load_file(models["tied"] / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, tmp_path / "model" / "model.safetensors")
    with pytest.raises(SourceError, match=r"no tensor 'model\.layers\.1\.mlp\.up_proj\.weight'"):
        quantize("int8", tmp_path / "model", tmp_path / "out")
