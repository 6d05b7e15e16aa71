"""What is said before the work and after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantize import source, summary
from quantize.gate import Plan
from quantize.machine import Machine
from quantize.manifest import Check, Manifest, Question
from quantize.recipe import with_values
from tests.quantize.scripted import DEMO, METHOD, recipe
from tests.quantize.test_manifest import EXAMPLE

HERE = Machine(memory=2**33, disk=2**34, cpus=2, gpu=False)


def before(**method: Any) -> list[str]:
    chosen = with_values(recipe(), bits=4, target="cpu", group_size=64, samples=12, sequence_length=99, seed=7)
    plan = Plan(source.read(DEMO), chosen, replace(METHOD, **method), 2**30, 2**28, ("it is odd",))
    return summary.before(plan, Path.cwd() / "small", HERE)


def test_before_the_work_model_method_memory_disk_and_warnings_are_said():
    assert before(title="Rounding") == [
        "demo (LlamaForCausalLM, 5.5 MiB) -> small",
        "  method       Rounding, 4 bits; pydantic, for vLLM on the CPU",
        "  memory       about 1.0 GiB at the highest, 8.0 GiB free",
        "  disk         about 256.0 MiB meanwhile, 16.0 GiB free",
        "warning: it is odd",
    ]


def test_groups_and_the_calibration_set_are_said_where_they_count_and_bits_once():
    lines = before(title="4-bit weights", grouped=True, calibrated=True)
    assert lines[1] == "  method       4-bit weights, groups of 64; pydantic, for vLLM on the CPU"
    assert lines[2] == "  calibration  the bundled set: 12 samples of up to 99 tokens, seed 7"


def test_after_it_size_time_memory_the_check_and_what_to_type_are_said():
    assert summary.after(Manifest.model_validate(EXAMPLE), Path.cwd() / "small") == [
        "small: gptq of demo",
        "  size         3.9 KiB -> 1000 B; the quantized layers 0.25 of what they are in bf16",
        "  time         12s",
        "  memory       10 B at the highest, 20 B foreseen",
        "  check        left out",
        "  serve it     sllm serve small",
    ]


ANSWERS = (Question(prompt="1", answer="a", baseline="a"), Question(prompt="2", answer="b", baseline="c"))


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (None, ["left out"]),
        (Check(passed=None, date="", reason="no GPU"), ["not tried: no GPU"]),
        (
            Check(passed=True, date="", baseline="demo", mean_abs_logprob_difference=0.0156, agreement=0.974, questions=ANSWERS),
            ["passed", "mean logprob difference 0.0156, same first token at 97.4%", "1 of 2 answers as demo's"],
        ),
        (Check(passed=True, date="", reason="the baseline could not be served"), ["passed", "the baseline could not be served"]),
    ],
)
def test_a_check_in_words(check: Check | None, words: list[str]):
    assert list(summary.checked(check)) == words


def test_a_path_is_as_short_as_it_can_be_typed_here():
    assert summary.shown(Path.cwd() / "a" / "b") == "a/b"
    assert summary.shown(Path("/elsewhere/a")) == "/elsewhere/a"
