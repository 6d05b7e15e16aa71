"""What the gate refuses, and that each way out which it names passes the gate itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from quantize.errors import MissingLibrary, Refused, UsageError
from quantize.gate import Plan, check, feasible
from quantize.machine import Machine
from quantize.methods.method import Method
from quantize.recipe import load
from quantize.source import Source, read
from tests.quantize import models
from tests.quantize.models import GiB

METHODS = models.methods()
CPU = Machine(memory=16 * GiB, disk=100 * GiB, cpus=2, gpu=False, engine="cpu")
GPU = Machine(memory=16 * GiB, disk=100 * GiB, cpus=8, gpu=True, engine="cuda")


def everything_is_installed(method: Method) -> None:
    pass


@pytest.fixture(scope="module")
def demo() -> Source:
    return read(models.DEMO)


def model(folder: Path, **widths: int) -> Source:
    return read(models.folder(folder / "m", models.llama(**widths)))


def plan(source: Source, machine: Machine = CPU, **flags: Any) -> Plan:
    return check(source, load(None, flags, METHODS), machine, METHODS, everything_is_installed)


def refused(source: Source, machine: Machine = CPU, **flags: Any) -> str:
    """The refusal's sentence, after every way out that it names was tried and passed."""
    with pytest.raises(Refused) as caught:
        plan(source, machine, **flags)
    message = caught.value.message
    assert "\n" not in message
    for way in ways_out(message):
        plan(source, machine, **{key: value for key, value in {**flags, **way}.items() if value is not None})
    return message


def ways_out(message: str) -> list[dict[str, Any]]:
    """The changes of flags that a refusal names after its last `: use` or `: leave`; None: without the flag."""
    found = []
    advice = re.split(r": (?=use --|leave --)", message)[1:]
    for way in advice[-1].split(", or ") if advice else []:
        changes: dict[str, Any] = {}
        for flag, value in re.findall(r"--([a-z-]+) ([^\s,]+)", way.replace(" out", "")) if not way.startswith("leave") else []:
            key = flag.replace("-", "_")
            changes[key] = (*changes.get(key, ()), value) if key == "ignore" else (int(value) if re.fullmatch(r"-?\d+", value) else value)
        for flag in re.findall(r"leave --([a-z-]+) out", way):
            changes[flag.replace("-", "_")] = None
        assert changes, way
        found.append(changes)
    return found


# What is allowed


def test_a_plan_has_everything_filled_in(demo: Source):
    found = plan(demo)
    assert (found.recipe.bits, found.recipe.symmetric, found.recipe.target, found.recipe.ignore) == (4, True, "cpu", ("lm_head",))
    assert found.method.name == "gptq"
    assert found.peak_memory == 3 * GiB
    assert found.warnings == ()


def test_what_was_filled_in_is_not_taken_for_the_users_word(demo: Source):
    assert plan(demo, samples=7).recipe.model_fields_set == {"samples"}


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_passes_for_the_demo_model(demo: Source, name: str):
    assert plan(demo, method=name).method.name == name


def test_awq_is_asymmetric_by_itself(demo: Source):
    assert plan(demo, method="awq").recipe.symmetric is False


def test_the_output_layer_is_always_kept(demo: Source):
    assert plan(demo, ignore=["o_proj"]).recipe.ignore == ("o_proj", "lm_head")


def test_eight_bits_on_a_gpu(demo: Source):
    assert plan(demo, GPU, bits=8).recipe.target == "cuda"


def test_a_target_may_be_another_machine(demo: Source):
    assert plan(demo, CPU, bits=8, target="cuda").recipe.target == "cuda"


# Options


def test_an_option_that_does_not_count_is_a_warning(demo: Source):
    found = plan(demo, method="bnb-nf4", group_size=64, samples=4)
    assert found.warnings == (
        "--group-size 64 does not count: bnb-nf4 does not read it",
        "--samples 4 does not count: bnb-nf4 does not read it",
    )


def test_an_option_that_was_not_said_is_no_warning(demo: Source):
    assert plan(demo, method="bnb-nf4").warnings == ()


@pytest.mark.parametrize(("flags", "owner"), [({"double_quant": True}, "bnb-nf4"), ({"desc_act": True, "method": "awq"}, "gptq")])
def test_an_option_that_promises_what_the_method_does_not_make_is_refused(demo: Source, flags: dict[str, Any], owner: str):
    message = refused(demo, **flags)
    assert f"belongs to {owner}, and" in message
    assert "leave --" in message


def test_a_switch_that_is_off_is_no_promise(demo: Source):
    assert plan(demo, method="awq", desc_act=False).warnings == ()


def test_bits_that_a_method_cannot_make(demo: Source):
    assert refused(demo, method="int8", bits=4) == "int8 makes 8 bits, not 4: leave --bits out, or use --method gptq"


def test_an_unknown_method(demo: Source):
    with pytest.raises(UsageError, match="did you mean 'gptq'"):
        check(demo, load(None, {}, METHODS).model_copy(update={"method": "gptp"}), CPU, METHODS, everything_is_installed)


# Kernels and shapes


def test_eight_bits_on_the_cpu(demo: Source):
    assert refused(demo, bits=8) == (
        "vLLM has no kernel for 8-bit gptq on the CPU (with --target cuda it has one, for a GPU): use --bits 4, or --method bnb-int8"
    )


def test_symmetry_that_no_kernel_takes(demo: Source):
    assert "no kernel for 4-bit awq, symmetric on the CPU: leave --symmetric out" in refused(demo, method="awq", symmetric=True)
    assert "no kernel for 4-bit gptq, asymmetric on a GPU: leave --symmetric out" in refused(demo, GPU, symmetric=False)


@pytest.mark.parametrize(("asked", "offered"), [(96, 64), (256, 128), (16, 32), (0, 32)])
def test_a_group_size_that_the_kernel_does_not_take(demo: Source, asked: int, offered: int):
    assert f"takes no group size {asked} with gptq: use --group-size {offered}" in refused(demo, group_size=asked)


def test_a_group_size_that_does_not_divide_gets_the_largest_that_does(tmp_path: Path):
    message = refused(model(tmp_path, hidden=128, inner=320, kv=64))
    assert message == "group size 128 does not divide 320 (model.layers.0.mlp.down_proj): use --group-size 64, or --method bnb-nf4"


def test_with_whole_rows_any_width_divides(tmp_path: Path):
    assert plan(model(tmp_path, hidden=96, inner=160, kv=32), group_size=-1)


def test_a_layer_that_is_kept_may_have_any_width(tmp_path: Path):
    source = model(tmp_path, hidden=128, inner=320, kv=64)
    assert plan(source, ignore=["down_proj"])


def test_widths_that_no_4_bit_kernel_takes_leave_other_methods(tmp_path: Path):
    source = model(tmp_path, hidden=80, inner=160, kv=80)
    message = refused(source, group_size=-1)
    assert "takes inputs in multiples of 32" in message
    assert message.endswith("use --method bnb-nf4")
    assert plan(source, method="w8a8")


def test_widths_count_as_the_engine_joins_layers(tmp_path: Path):
    assert plan(model(tmp_path, hidden=64, inner=128, kv=16), group_size=32)  # 64 + 16 + 16 outputs
    assert "q_proj with k_proj with v_proj has 112" in refused(model(tmp_path, hidden=64, inner=128, kv=24), group_size=32)


def test_a_gpu_pads_what_does_not_fit_its_tiles(tmp_path: Path):
    (warning,) = plan(model(tmp_path, hidden=96, inner=160, kv=32), GPU, group_size=32).warnings
    assert "Marlin kernel pads model.layers.0.self_attn.q_proj with k_proj with v_proj (96 x 160)" in warning


def test_half_of_a_joined_layer_cannot_be_kept(demo: Source):
    message = refused(demo, ignore=["q_proj"])
    assert "keeps model.layers.0.self_attn.q_proj and not model.layers.0.self_attn.k_proj and" in message
    assert message.endswith("use --ignore q_proj --ignore k_proj --ignore v_proj")


def test_ignoring_everything(demo: Source):
    assert refused(demo, ignore=["re:.*"]) == "--ignore leaves no layer of demo to quantize: leave --ignore out"


def test_an_ignored_layer_that_is_not_there_is_a_warning(demo: Source):
    assert plan(demo, ignore=["donw_proj"]).warnings == ("--ignore donw_proj means no layer of demo: did you mean 'down_proj'?",)


def test_an_ignored_layer_that_is_no_regular_expression(demo: Source):
    with pytest.raises(UsageError, match=re.escape("--ignore re:( is not a regular expression")):
        plan(demo, ignore=["re:("])


# Architecture


def test_an_architecture_that_transformers_does_not_know(tmp_path: Path):
    pytest.importorskip("transformers")
    source = read(models.folder(tmp_path / "m", model_type="lama"))
    assert "transformers does not know the architecture 'lama'" in refused(source, group_size=64)


def test_a_mixture_of_experts(tmp_path: Path):
    tensors = {**models.llama(), "model.layers.0.mlp.experts.gate_up_proj": (8, 64, 64)}
    source = read(models.folder(tmp_path / "m", tensors))
    assert refused(source, group_size=64) == "m is a mixture of experts, and gptq would leave its experts as they are"


# Memory and disk


def machine(memory: float = 16 * GiB, disk: float = 100 * GiB) -> Machine:
    return Machine(int(memory), int(disk), 2, False, "cpu")


def test_too_little_memory_names_a_method_that_needs_less(demo: Source):
    assert refused(demo, machine(memory=1.5 * GiB)) == (
        "gptq needs 3.0 GiB at its peak, and 1.5 GiB of memory are free: use --method bnb-nf4, which needs 1.0 GiB"
    )


def test_fewer_samples_are_offered_where_they_help(demo: Source):
    methods = {"gptq": models.method("gptq", "gptq", (4,), GiB, per_sample=8 * 2**20, grouped=True, calibrated=True)}
    recipe = load(None, {}, methods)
    with pytest.raises(Refused, match=r"needs 3\.0 GiB at its peak, and 2\.5 GiB of memory are free: use --samples 128$"):
        check(demo, recipe, machine(memory=2.5 * GiB), methods, everything_is_installed)
    assert check(demo, load(None, {"samples": 128}, methods), machine(memory=2.5 * GiB), methods, everything_is_installed)


def test_too_little_memory_for_anything_is_said_plainly(demo: Source):
    assert refused(demo, machine(memory=GiB / 2)) == "gptq needs 3.0 GiB at its peak, and 512.0 MiB of memory are free"


def test_the_check_of_a_large_model_is_warned_of(demo: Source):
    (warning,) = plan(demo, machine(memory=3 * GiB)).warnings
    assert "--no-check leaves it out" in warning


def test_too_little_disk(demo: Source):
    message = refused(demo, machine(disk=10 * 2**20))
    assert re.fullmatch(r"gptq needs \d+\.\d MiB of disk, and 10\.0 MiB are free there: free some, or give another --out", message)


def test_the_disk_needed_covers_checkpoint_and_scratch(demo: Source):
    plain = plan(demo)
    linear = 4.125 / 16 * demo.linear_bytes
    assert plain.disk > demo.weight_bytes - demo.linear_bytes + linear
    methods = {"gptq": models.method("gptq", "gptq", (4,), grouped=True, scratch=lambda source, recipe: 7 * GiB)}
    more = check(demo, load(None, {}, methods), CPU, methods, everything_is_installed)
    assert more.disk == plain.disk + 7 * GiB


# Libraries, and all methods at once


def only_torch(method: Method) -> None:
    if method.library != "torch" or method.name == "bnb-nf4":
        raise MissingLibrary(f"{method.library} is not installed: make install-quantize")


def test_a_missing_library(demo: Source):
    with pytest.raises(MissingLibrary, match="gptqmodel is not installed"):
        check(demo, load(None, {}, METHODS), CPU, METHODS, only_torch)


def test_what_is_not_installed_is_not_offered(tmp_path: Path):
    source = model(tmp_path, hidden=80, inner=160, kv=80)
    with pytest.raises(Refused, match="use --method bnb-int8"):
        check(source, load(None, {"group_size": -1, "method": "gptq-ct"}, METHODS), CPU, METHODS, only_torch)


def all_methods(source: Source, machine: Machine = CPU, **flags: Any) -> dict[str, Any]:
    found = feasible(source, load(None, {"method": "all", **flags}, METHODS), machine, METHODS, everything_is_installed)
    assert [name for name, _ in found] == [name for name, each in METHODS.items() if not each.control]
    return dict(found)


def test_all_methods_that_the_demo_allows_without_a_gpu(demo: Source):
    assert all(isinstance(found, Plan) for found in all_methods(demo).values())


def test_of_all_methods_those_that_cannot_say_why(demo: Source):
    found = all_methods(demo, bits=8)
    assert isinstance(found["int8"], Plan)
    assert isinstance(found["gptq"], Refused)
    assert "no kernel for 8-bit gptq" in found["gptq"].message


def test_with_all_methods_an_option_goes_to_those_that_read_it(demo: Source):
    found = all_methods(demo, double_quant=True, group_size=64, smoothing=0.5)
    assert found["bnb-nf4"].recipe.double_quant
    assert not found["gptq"].recipe.double_quant
    assert found["gptq"].recipe.group_size == 64
    assert found["w8a8"].recipe.smoothing == 0.5
    assert [warning for each in found.values() for warning in each.warnings] == []


def test_with_all_methods_each_has_its_own_defaults(demo: Source):
    assert all_methods(demo)["awq-ct"].recipe.symmetric is False


def test_with_all_methods_a_missing_library_is_a_reason(demo: Source):
    found = dict(feasible(demo, load(None, {"method": "all"}, METHODS), CPU, METHODS, only_torch))
    assert isinstance(found["gptq"], MissingLibrary)
    assert isinstance(found["int8"], Plan)
