"""What a measurement reads before anything is served; the serving itself is in tests/e2e/test_evaluate.py."""

import json

import pytest

from quantize.errors import EvaluationError, UsageError
from quantize.evaluation import texts
from quantize.evaluation.measure import engine_flags, how_made, material, measure
from quantize.evaluation.options import LISTED, Options


def write(folder, **config):
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], **config}))
    return folder


def test_the_engine_is_let_list_as_many_tokens_as_are_asked_for():
    assert engine_flags(Options()) == ("--max-logprobs", str(LISTED))
    assert engine_flags(Options(engine_flags=("--max-num-seqs", "8"))) == ("--max-logprobs", str(LISTED), "--max-num-seqs", "8")


@pytest.mark.parametrize("given", [("--max-logprobs", "30"), ("--max-logprobs=30",), ("--max_logprobs", "30")])
def test_the_users_own_limit_wins(given):
    assert engine_flags(Options(engine_flags=given)) == given


def test_the_demo_model_is_asked_its_own_questions():
    read, asked, names = material(texts.DEMO, Options(max_texts=3, max_questions=5))
    assert (len(read), len(asked)) == (3, 5)
    assert names == ("heldout.jsonl", "heldout.jsonl")


def test_any_other_model_reads_the_passages_and_is_asked_nothing(tmp_path):
    read, asked, names = material(write(tmp_path), Options())
    assert read
    assert asked == []
    assert names == ("passages.jsonl", None)


def test_without_quality_nothing_is_asked_and_the_texts_are_a_stock_for_prompts():
    read, asked, names = material(texts.DEMO, Options(quality=False))
    assert read
    assert (asked, names) == ([], (None, None))


def test_a_quantized_model_without_a_manifest_is_known_by_its_config(tmp_path):
    made = how_made(write(tmp_path, quantization_config={"quant_method": "awq", "bits": 4}))
    assert (made.method, made.bits, made.base) == ("awq", 4, None)
    assert how_made(texts.DEMO).method == "bfloat16"


@pytest.mark.parametrize(
    ("architecture", "kind"), [("BertModel", "an embedding model"), ("Qwen2ForSequenceClassification", "a classifier")]
)
def test_a_model_that_generates_nothing_is_refused_before_it_is_served(tmp_path, architecture, kind):
    with pytest.raises(EvaluationError, match=f"is {kind}, not a model that generates text"):
        measure(write(tmp_path, architectures=[architecture]), Options())


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(EvaluationError, match="no model folder at"):
        measure(tmp_path / "no", Options())


@pytest.mark.parametrize("wrong", [{"output_tokens": 0}, {"max_texts": 0}, {"max_questions": 0}, {"concurrency": (1, 0)}])
def test_numbers_below_one_are_wrong_usage(wrong):
    with pytest.raises(UsageError, match="write a number from 1"):
        Options(**wrong)


def test_a_check_is_light():
    options = Options.for_check(seed=7)
    assert (options.speed, options.quality, options.seed) == (False, True, 7)
    assert options.max_questions < 100


def test_the_record_of_the_options_names_no_folder(tmp_path):
    said = Options(text=tmp_path / "a.jsonl", logs=tmp_path).to_dict()
    assert said["text"] == "a.jsonl"
    assert str(tmp_path) not in json.dumps(said)
