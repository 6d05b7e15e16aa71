import json
import random

import pytest

from quantize.evaluation import metrics, record
from quantize.evaluation.answers import Answer
from quantize.evaluation.compare import compare
from quantize.evaluation.enginelog import EngineLog
from quantize.evaluation.measure import Measurement
from quantize.evaluation.sizes import Sizes
from tests.quantize.evaluation.made import distribution, load, measurement, positions


def disturbed(name="small", **changes):
    draw = random.Random(1)
    theirs = [distribution(draw) for _ in range(6)]  # those of measurement()
    mine = [distribution(draw, near=each, noise=0.3) for each in theirs]
    return measurement(name, positions=positions(mine, [1, 2, 3, 4, 5, 6], [3, 3]), **changes)


def test_a_model_beside_itself():
    result = compare(measurement(), measurement())
    assert result.is_baseline
    assert result.logprobs.mean_abs_difference == result.logprobs.kl_divergence == 0
    assert result.logprobs.agreement == 1
    assert result.exact_match.points == 0
    assert (result.exact_match.lost, result.exact_match.won) == (0, 0)
    assert result.speed[0].ratio == 1


def test_figures_are_those_of_the_metrics():
    mine, theirs = disturbed(), measurement()
    found = compare(mine, theirs).logprobs
    assert found.mean_abs_difference == metrics.mean(metrics.differences(mine.positions, theirs.positions)) > 0
    assert found.mean_abs_difference_low < found.mean_abs_difference < found.mean_abs_difference_high
    assert found.baseline_perplexity == metrics.perplexity(theirs.positions)


def test_without_a_baseline_there_are_no_differences():
    result = compare(measurement())
    assert result.baseline is None
    assert result.logprobs.perplexity > 1
    assert result.logprobs.mean_abs_difference is None
    assert result.exact_match.points is None
    assert result.speed[0].ratio is None


def test_another_tokenizer_is_said_and_not_compared():
    draw = random.Random(2)
    other = measurement("other", positions=positions([distribution(draw) for _ in range(5)], [1, 2, 3, 4, 5], [2, 3]))
    found = compare(other, measurement()).logprobs
    assert found.mean_abs_difference is None
    assert found.perplexity > 1
    assert found.not_compared == "the tokenizers cut the texts into other tokens than those of demo"


def test_other_texts_are_said_and_not_compared():
    draw = random.Random(2)
    other = measurement("other", text="b.jsonl", positions=positions([distribution(draw)], [1], [1]))
    assert compare(other, measurement()).logprobs.not_compared == "other texts were read than those of demo"


def test_questions_lost_and_won():
    wrong = (Answer(prompt="Hi", wanted="Hello.", got="Bye.", language="en"), measurement().answers[1])
    found = compare(measurement("small", answers=wrong), measurement()).exact_match
    assert (found.share, found.points, found.lost, found.won) == (0.5, -50.0, 1, 0)
    assert found.by_language == {"en": 0.0, "ko": 1.0}
    assert compare(measurement(), measurement("small", answers=wrong)).exact_match.won == 1


def test_answers_to_other_questions_are_not_compared():
    other = (Answer(prompt="Who?", wanted="Me.", got="Me."),)
    found = compare(measurement("small", answers=other), measurement()).exact_match
    assert (found.share, found.points) == (1.0, None)


def test_speed_is_compared_at_the_same_concurrency_only():
    found = compare(measurement("small", loads=(load(1, 150.0), load(8, 900.0))), measurement()).speed
    assert [(s.concurrency, s.ratio) for s in found] == [(1, 1.5), (8, None)]
    assert found[0].tokens_per_second == pytest.approx(150)
    assert found[0].ttft_p50 == pytest.approx(0.01)


def test_weight_memory_is_the_engines_own_figure_where_it_says_one():
    assert compare(measurement(engine=EngineLog(memory=5000))).memory == 5000
    said = compare(measurement())
    assert (said.memory, said.memory_from) == (900, "tensors")


def test_a_result_for_the_manifest_is_small_and_has_no_raw_material():
    text = json.dumps(compare(disturbed(), measurement()).to_dict())
    assert "packed" not in text
    assert len(text) < 3000
    assert json.loads(text)["logprobs"]["mean_abs_difference"] > 0


def test_the_written_record_gives_every_figure_again(tmp_path):
    base = measurement()
    results = [compare(base, base), compare(disturbed(sizes=Sizes(disk=300, tensors=290, linear=200, linear_bf16=800)), base)]
    record.write(tmp_path / "evaluation.json", record.build(results, "demo", record.about()))
    data = json.loads((tmp_path / "evaluation.json").read_text())
    again = record.again(data, tmp_path / "evaluation.json")
    assert [result.to_dict() for result in again] == [result.to_dict() for result in results]
    assert data["results"] == [result.to_dict() for result in results]


def test_a_measurement_survives_json():
    said = disturbed()
    assert Measurement.from_dict(json.loads(json.dumps(said.to_dict()))) == said
