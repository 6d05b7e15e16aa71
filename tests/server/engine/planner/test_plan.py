from dataclasses import replace
from pathlib import Path

import pytest

from server.engine import checkpoint
from server.engine.planner import memory
from server.engine.planner.memory import GIB
from server.engine.planner.plan import Plan, configured, plan
from server.errors import StartError, UsageError
from server.settings import DEMO_MODEL, ROOT, Model, Speculative
from tests.server.engine.planner.models import LLAMA31_8B, config, tensor, write

SMALL = memory.cuda(24 * GIB)


@pytest.fixture
def llama(tmp_path: Path) -> Model:
    return Model(name="llama", path=str(write(tmp_path / "llama", LLAMA31_8B)))


def what(found: Plan) -> list[str]:
    return [remedy.what for remedy in found.remedies]


def test_where_the_whole_context_fits_the_command_serves_the_model_as_it_is(llama: Model):
    found = plan(llama, memory.cuda(80 * GIB), typed="llama")
    assert found.served
    assert found.served.fits
    assert (found.commands, found.remedies) == (("sllm serve llama",), ())


def test_weights_and_kv_cache_and_reserve_are_the_share_of_the_card(llama: Model):
    found = plan(llama, SMALL)
    assert found.served
    assert found.served.weights + found.served.kv_memory + found.reserve == int(0.92 * 24 * GIB)
    assert found.served.tokens == found.served.kv_memory // (131_072 * 16) * 16


def test_what_does_not_fit_comes_with_what_would(llama: Model):
    found = plan(llama, SMALL, typed="llama")
    assert found.served
    assert not found.served.fits
    assert what(found)[0] == f"contexts of up to {found.served.longest:,} tokens"
    assert found.remedies[0].commands == (f"sllm serve llama -- --max-model-len {found.served.longest}",)
    assert "weights in awq 4-bit and the KV cache in fp8" in what(found)
    assert "a card such as a100-40gb (40 GiB)" in what(found)
    assert found.commands == ("sllm serve llama -- --quantization fp8 --kv-cache-dtype fp8",)


def test_smaller_weights_are_made_first(llama: Model):
    found = plan(llama, memory.cuda(16 * GIB), 8192, typed="people/llama")
    awq = next(remedy for remedy in found.remedies if remedy.what == "weights in awq 4-bit")
    assert awq.commands == ("sllm quantize people/llama --method awq", "sllm serve ./llama-awq -- --max-model-len 8192")


def test_cards_that_know_no_fp8_get_no_advice_to_use_it(llama: Model):
    found = plan(llama, memory.cuda(15 * GIB, "t4"), 4096)
    assert not [row for row in found.rows if "fp8" in (row.format, row.kv_dtype)]


def test_what_a_card_does_not_hold_several_do(tmp_path: Path):
    big = config(80, 64, 8, 128, 8192, intermediate_size=28672)
    model = Model(name="big", path=str(write(tmp_path / "big", big)))
    found = plan(model, memory.cuda(80 * GIB), 8192, typed="big")
    assert found.remedies[-1].what == "2 cards like this one"
    assert found.remedies[-1].commands == ("sllm serve big -- --tensor-parallel-size 2",)


def test_what_nothing_holds_says_so(tmp_path: Path):
    huge = config(160, 64, 8, 128, 8192, intermediate_size=28672)
    found = plan(Model(name="huge", path=str(write(tmp_path / "huge", huge))), memory.cuda(10 * GIB), 8192)
    assert what(found) == ["more than 8 cards like this one, or smaller weights on several"]
    assert found.chosen is None


def test_without_a_gpu_a_larger_kv_cache_is_offered(llama: Model):
    found = plan(llama, memory.cpu(64 * GIB, GIB), 16384, typed="llama")
    assert "a KV cache of 2.0 GiB" in what(found)


def test_draft_and_adapters_of_the_configuration_count(tmp_path: Path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"r": 16}')
    spec = Speculative(method="draft_model", model="models/demo/draft")
    alone = plan(Model(name="demo", path=DEMO_MODEL), SMALL)
    both = plan(Model(name="demo", path=DEMO_MODEL, speculative=spec, adapters={"a": str(adapter)}), SMALL)
    assert alone.served
    assert both.served
    assert both.draft == checkpoint.weight_bytes(ROOT / "models/demo/draft")
    assert both.served.kv_bytes == alone.served.kv_bytes + 1024
    assert both.adapters == 2 * 16 * sum(linear.inputs + linear.outputs for linear in both.shape.linears)
    assert alone.served.kv_memory - both.served.kv_memory == both.draft + both.adapters


def test_an_adapter_on_the_hub_is_said_to_be_guessed():
    found = plan(Model(name="demo", path=DEMO_MODEL, adapters={"a": "people/adapter"}), SMALL)
    assert "its rank was taken to be 16" in found.notes[0]


def test_the_configurations_own_words_on_memory_count():
    model = Model(
        name="m", path="m", gpu_memory_utilization=0.5, kv_cache_memory="4GiB", engine_args={"max_num_seqs": 8, "--block-size": "32"}
    )
    found = configured(SMALL, model)
    assert (found.share, found.kv_memory, found.sequences, found.block) == (0.5, 4 * GIB, 8, 32)


def test_tensor_parallelism_halves_the_weights_of_a_card(llama: Model):
    one, two = plan(llama, SMALL), plan(llama, replace(SMALL, gpus=2))
    assert one.served
    assert two.served
    assert two.served.weights * 2 == one.served.weights


def test_a_hybrids_weights_are_planned_and_its_cache_is_not(tmp_path: Path):
    made = config(2, 4, 2, 64, 256, layer_types=["linear_attention", "full_attention"])
    found = plan(Model(name="hybrid", path=str(write(tmp_path / "h", made))), SMALL)
    assert found.served
    assert (found.served.kv_dtype, found.served.tokens) == ("", 0)
    assert found.notes[0].startswith("the KV cache is not planned: it has layers that keep a state")


def test_a_checkpoint_whose_kv_cache_is_fp8(tmp_path: Path):
    made = config(2, 4, 2, 64, 256, quantization_config={"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 8}})
    tensors = [tensor("model.layers.0.mlp.up_proj.weight", 256, 256, dtype="F8_E4M3")]
    found = plan(Model(name="m", path=str(write(tmp_path / "m", made, tensors))), SMALL)
    assert [(row.format, row.kv_dtype) for row in found.rows] == [("as it is", "fp8")]


# Bad input


def test_a_context_longer_than_the_models_is_refused(llama: Model):
    with pytest.raises(UsageError, match=r"goes up to 131,072 tokens and 200,000 were asked for: give at most --max-model-len 131072"):
        plan(llama, SMALL, 200_000)


def test_a_model_that_names_no_context_asks_for_one(tmp_path: Path):
    made = config(1, 4, 2, 64, 256)
    del made["max_position_embeddings"]
    model = Model(name="m", path=str(write(tmp_path / "m", made)))
    with pytest.raises(UsageError, match="give one, such as --max-model-len 8192"):
        plan(model, SMALL)
    assert plan(model, SMALL, 4096).length == 4096


BROKEN = {
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    "another form": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        "pytorch_model.bin: planning reads",
    ),
    "cut short": (lambda folder: (folder / "model.safetensors").write_bytes(b"\x00" * 4), "not a whole safetensors file"),
    "a pointer": (lambda folder: (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com"), "git lfs pull"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "it has no config.json"),
    "config that is no JSON": (lambda folder: (folder / "config.json").write_text("{"), "cannot read"),
    "a missing part": (
        lambda folder: (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-1.safetensors"}}'),
        "names model-1.safetensors, and it is not there",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_one_sentence(name: str, tmp_path: Path):
    folder = write(tmp_path / "m", config(1, 4, 2, 64, 256))
    damage, message = BROKEN[name]
    damage(folder)
    with pytest.raises(StartError, match=message):
        plan(Model(name="m", path=str(folder)), SMALL)
