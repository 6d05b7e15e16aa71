from pathlib import Path

import pytest

from quantize.errors import MissingLibrary
from quantize.evaluation import harness

# As lm_eval 0.4.13 writes them.
RESULTS = {
    "results": {
        "capitals": {
            "name": "capitals",
            "alias": "capitals",
            "sample_len": 8,
            "acc,none": 0.75,
            "acc_stderr,none": 0.16,
            "acc_norm,none": 0.5,
            "acc_norm_stderr,none": 0.18,
        },
        "sums": {"alias": "sums", "exact_match,flexible-extract": 0.25, "exact_match_stderr,flexible-extract": "N/A"},
        "group": {"alias": "group"},
    },
    "lm_eval_version": "0.4.13",
}


def test_scores_are_the_numbers_by_task_and_metric():
    assert harness.scores(RESULTS) == {
        "capitals": {"acc": 0.75, "acc_stderr": 0.16, "acc_norm": 0.5, "acc_norm_stderr": 0.18},
        "sums": {"exact_match (flexible-extract)": 0.25},
    }


def test_the_metric_that_is_shown():
    found = harness.scores(RESULTS)
    assert harness.headline(found["capitals"]) == ("acc_norm", 0.5)
    assert harness.headline(found["sums"]) == ("exact_match (flexible-extract)", 0.25)
    assert harness.headline({"bleu_stderr": 0.1, "bleu": 0.3}) == ("bleu", 0.3)


def test_where_lm_eval_is(tmp_path):
    other = tmp_path / "python"
    other.write_text("")
    assert harness.python({"SLLM_HARNESS": str(other)}) == other
    with pytest.raises(MissingLibrary, match="which is no program: type `make install-harness`"):
        harness.python({"SLLM_HARNESS": str(tmp_path / "no")})
    assert Path(".tools/harness/bin/python").parts == harness.INSTALLED.relative_to(harness.ROOT).parts
