from __future__ import annotations

from pathlib import Path

import pytest

from quantize.architectures import GPTQMODEL, TRANSFORMERS, keys, unknown_to_gptqmodel, unknown_to_transformers

pytest.importorskip("transformers")


@pytest.mark.parametrize("model_type", ["llama", "qwen2", "qwen3", "gemma3_text", "exaone4"])
def test_architectures_that_the_installed_transformers_knows(model_type: str):
    assert unknown_to_transformers(model_type, own_code=False) == ""


def test_models_that_do_not_generate_are_not_in_the_mapping():
    assert len(keys(*TRANSFORMERS)) > 100
    assert not {"clip", "vit", "dinov2"} & keys(*TRANSFORMERS)


def test_an_unknown_architecture_gets_the_nearest_name():
    assert unknown_to_transformers("lama", own_code=False).endswith("did you mean 'llama'?")


def test_code_that_comes_with_a_model_is_not_run():
    assert "is not run here" in unknown_to_transformers("my_own_model", own_code=True)


def test_gptqmodel_knows_the_common_ones_and_says_what_it_does_with_others():
    pytest.importorskip("gptqmodel")
    assert {"llama", "qwen3", "qwen3_5"} <= keys(*GPTQMODEL)
    assert unknown_to_gptqmodel("llama") == ""
    assert "finds its layers by itself" in unknown_to_gptqmodel("no_such_model")


def test_a_package_that_is_missing_is_no_refusal(tmp_path: Path):
    assert unknown_to_transformers("anything", own_code=False, site=tmp_path) == ""


def test_keys_of_the_three_ways_to_build_a_mapping(tmp_path: Path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "m.py").write_text('X = {"a": 1}\nX = OrderedDict([("b", 2), ("c", 3)])\nif Y:\n    X["d"] = 4\nZ = {"e": 5}\n')
    assert keys("p", "m.py", "X", tmp_path) == {"a", "b", "c", "d"}
