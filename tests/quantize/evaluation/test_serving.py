"""Why a model did not come up, read off what `sllm serve` said; that it comes up is in tests/e2e/test_evaluate.py."""

import pytest

from quantize.errors import EvaluationError
from quantize.evaluation.serving import Serving, cause


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("12:00:00 demo: loading\n12:00:09 demo: failed after 9.0 s: no kernel; log: x.log\n12:00:10 stopped\n", "no kernel; log: x.log"),
        ("12:00:09 demo: failed: vLLM knows no quantization 'x'\n", "vLLM knows no quantization 'x'"),
        ("error: no model at x\n", "no model at x"),
        ("Traceback\nValueError: boom\n", "ValueError: boom"),
        ("", "it ended without a word"),
    ],
)
def test_the_cause_is_the_last_thing_that_went_wrong(said, sentence):
    assert cause(said) == sentence


def test_a_folder_that_cannot_be_served_is_one_sentence_and_leaves_nothing(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(EvaluationError, match=r"^model cannot be measured: .*config.json"):
        with Serving(tmp_path / "model", logs=tmp_path / "logs"):
            pytest.fail("it was served")
    assert list((tmp_path / "logs").iterdir()) == []


def test_a_wrong_engine_flag_is_one_sentence(tmp_path):
    with pytest.raises(EvaluationError, match=r"model cannot be measured: .*--tensor-parallel-size"):
        with Serving(tmp_path / "model", ["-tp", "2"], tmp_path / "logs"):
            pytest.fail("it was served")
