from __future__ import annotations

from pathlib import Path

import pytest

from quantize.errors import UsageError
from quantize.recipe import Recipe, for_method, load, with_values
from tests.quantize.models import methods

METHODS = methods()


def write(folder: Path, text: str) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def wrong(file: Path | None, **flags: object) -> str:
    with pytest.raises(UsageError) as caught:
        load(file, flags, METHODS)
    assert caught.value.exit_code == 2
    return caught.value.message


def test_without_a_file_and_flags_all_is_default():
    assert load(None, {}, METHODS) == Recipe()


def test_flags_lie_over_the_file_and_flags_not_given_do_not(tmp_path: Path):
    file = write(tmp_path, "method: awq\ngroup_size: 64\nsamples: 12\n")
    recipe = load(file, {"group_size": 32, "samples": None}, METHODS)
    assert (recipe.method, recipe.group_size, recipe.samples) == ("awq", 32, 12)


def test_a_methods_own_defaults_lie_under_both(tmp_path: Path):
    assert load(None, {"method": "awq-ct"}, METHODS).symmetric is False
    assert load(write(tmp_path, "method: awq-ct\nsymmetric: true"), {}, METHODS).symmetric is True


def test_what_the_user_said_is_known_apart_from_defaults(tmp_path: Path):
    recipe = load(write(tmp_path, "samples: 9"), {"method": "awq-ct"}, METHODS)
    assert recipe.model_fields_set == {"samples", "method"}


def test_changing_the_method_takes_what_was_said_along_and_not_the_defaults():
    recipe = load(None, {"method": "awq-ct", "samples": 9}, METHODS)
    changed = for_method(recipe, METHODS["gptq"])
    assert (changed.method, changed.samples, changed.symmetric) == ("gptq", 9, None)


def test_values_filled_in_are_not_said_by_the_user():
    filled = with_values(load(None, {"samples": 9}, METHODS), bits=4)
    assert (filled.bits, filled.model_fields_set) == (4, {"samples"})


def test_an_unknown_key_gets_file_line_and_the_nearest_name(tmp_path: Path):
    file = write(tmp_path, "# a comment\nmethod: gptq\ngroupsize: 64\n")
    assert wrong(file) == f"{file}, line 3: unknown key 'groupsize': did you mean 'group_size'?"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bits: 5", "'bits' must be 4, 8 or nothing, not 5"),
        ("samples: many", "'samples' must be a whole number, not 'many'"),
        ("samples: true", "'samples' must be a whole number, not true"),
        ("samples: 0", "'samples' must be at least 1, and it is 0"),
        ("damping: 1", "'damping' must be less than 1, and it is 1"),
        ("desc_act: [1]", "'desc_act' must be true or false, not a list"),
        ("ignore: lm_head", "'ignore' must be a list of texts, not 'lm_head'"),
        ("target: gpu", "'target' must be auto, cuda or cpu, not 'gpu'"),
        ("group_size:", "'group_size' must be a whole number, not nothing"),
    ],
)
def test_a_wrong_value_is_told_in_words_with_its_line(tmp_path: Path, line: str, words: str):
    file = write(tmp_path, f"method: gptq\n{line}\n")
    assert wrong(file) == f"{file}, line 2: {words}"


def test_a_wrong_flag_is_named_as_a_flag():
    assert wrong(None, group_size="wide") == "--group-size: 'group_size' must be a whole number, not 'wide'"


def test_an_unknown_method_gets_the_nearest_one(tmp_path: Path):
    assert wrong(None, method="gtpq") == "--method: no method 'gtpq': did you mean 'gptq'?"
    file = write(tmp_path, "samples: 3\nmethod: bnb_nf4x")
    assert wrong(file) == f"{file}, line 2: no method 'bnb_nf4x': did you mean 'bnb-nf4'?"


def test_all_is_a_method():
    assert load(None, {"method": "all"}, METHODS).method == "all"


def test_an_empty_file_is_an_empty_recipe(tmp_path: Path):
    assert load(write(tmp_path, "# nothing\n"), {}, METHODS) == Recipe()


def test_a_file_that_is_not_there(tmp_path: Path):
    assert "no recipe file at" in wrong(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("method: [gptq", "line 1"),
        ("- gptq", "must hold keys and values, such as `method: gptq`, and it holds a list"),
        ("bits: 4\nbits: 8", "line 2: 'bits' stands twice"),
    ],
)
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, words: str):
    assert words in wrong(write(tmp_path, text))


def test_a_file_that_is_not_utf8(tmp_path: Path):
    file = tmp_path / "recipe.yaml"
    file.write_bytes("method: gptq # 방법".encode("cp949"))
    assert "is not UTF-8 text" in wrong(file)
