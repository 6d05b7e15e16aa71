import json

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.runs.variants import Variant, candidates


@pytest.fixture
def model(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    return tmp_path


def names(found) -> list[str]:
    return [variant.name for variant in found.variants]


def test_none_comes_first_and_once_more_at_the_end(model):
    assert names(candidates(model, (2, 4), suffix_installed=False)) == ["none", "ngram 2", "ngram 4", "none, at the end"]


def test_what_cannot_be_tried_is_told_with_what_it_wants(model):
    left_out = candidates(model, (4,), suffix_installed=False).left_out
    assert set(left_out) == {"draft_model", "suffix", "eagle3", "mtp"}
    assert "--draft" in left_out["draft_model"]
    assert "arctic-inference" in left_out["suffix"]
    assert "--eagle3" in left_out["eagle3"]


def test_a_draft_beside_the_model_is_found(model):
    (model / "draft").mkdir()
    (model / "draft/config.json").write_text("{}")
    found = candidates(model, (4,), suffix_installed=False)
    assert Variant("draft_model", 4, str(model / "draft")) in found.variants


def test_a_named_draft_comes_before_the_one_beside_the_model(model):
    (model / "draft").mkdir()
    (model / "draft/config.json").write_text("{}")
    assert Variant("draft_model", 4, "org/small") in candidates(model, (4,), draft="org/small", suffix_installed=False).variants


def test_suffix_is_tried_where_its_package_is_installed(model):
    assert "suffix 4" in names(candidates(model, (4,), suffix_installed=True))


def test_an_eagle3_head_is_tried_when_it_is_named(model):
    assert Variant("eagle3", 4, "org/head") in candidates(model, (4,), eagle3="org/head", suffix_installed=False).variants


@pytest.mark.parametrize(
    "config", [{"num_nextn_predict_layers": 1}, {"text_config": {"mtp_num_hidden_layers": 1}}], ids=["at the top", "in text_config"]
)
def test_layers_for_multi_token_prediction_are_seen(model, config):
    (model / "config.json").write_text(json.dumps(config))
    assert "mtp 4" in names(candidates(model, (4,), suffix_installed=False))


def test_only_the_methods_that_were_asked_for_are_tried(model):
    found = candidates(model, (4,), methods=["ngram"], suffix_installed=True)
    assert names(found) == ["none", "ngram 4", "none, at the end"]
    assert found.left_out == {}


def test_a_method_that_was_asked_for_and_cannot_be_tried_is_an_error(model):
    with pytest.raises(BenchUsageError, match=r"--method mtp: config\.json names no layers"):
        candidates(model, (4,), methods=["mtp"])


def test_an_unknown_method_is_told_the_known_ones(model):
    with pytest.raises(BenchUsageError, match="--method medusa: choose among ngram, "):
        candidates(model, (4,), methods=["medusa"])


def test_a_draft_folder_that_is_not_there_is_an_error(model):
    with pytest.raises(BenchUsageError, match=r"--draft \./nowhere: no such folder"):
        candidates(model, (4,), draft="./nowhere")


def test_the_block_is_the_configurations():
    assert Variant("draft_model", 4, "models/demo/draft").block == {"method": "draft_model", "model": "models/demo/draft", "tokens": 4}
    assert Variant("ngram", 2).block == {"method": "ngram", "tokens": 2}
    assert Variant().block is None
