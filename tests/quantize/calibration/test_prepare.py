"""From a recipe to token ids, with the demo model's own tokenizer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantize.calibration import Calibration, prepare, tokens
from quantize.errors import CalibrationError, SourceError
from quantize.recipe import Recipe
from quantize.source import Source, read
from tests.quantize import models

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def demo() -> Source:
    return read(models.DEMO)


@pytest.fixture(scope="module")
def tokenizer(demo: Source) -> tokens.Tokenizer:
    return tokens.tokenizer(demo)


class Words:
    """A tokenizer of words: each word is its length. `refuses` are roles that its chat template raises at."""

    def __init__(self, refuses: Sequence[str] = ()):
        self.refuses = refuses

    def __call__(self, text: str, *, add_special_tokens: bool) -> Mapping[str, Any]:
        return {"input_ids": [len(word) for word in text.split()]}

    def apply_chat_template(self, conversation: Sequence[Mapping[str, Any]], **options: Any) -> Any:
        for message in conversation:
            if message["role"] in self.refuses:
                raise ValueError(f"{message['role']} is not supported\nat line 3")
        return " ".join(f"<{m['role']}> {m['content']}" for m in conversation) + (
            " <assistant>" if options["add_generation_prompt"] else ""
        )


def calibrated(source: Source, file: Path | str, tokenizer: tokens.Tokenizer | None = None, **keys: Any) -> Calibration:
    return prepare(source, Recipe(calibration=str(file), **keys), tokenizer or Words())


def lines(folder: Path, *rows: object) -> Path:
    file = folder / "calibration.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return file


# The bundled set


def test_the_bundled_set_makes_the_samples_asked_for_without_a_warning(demo: Source, tokenizer: tokens.Tokenizer):
    found = prepare(demo, Recipe(), tokenizer)
    assert (len(found.samples), found.warnings, found.source) == (256, (), "bundled")
    assert found.tokens == sum(map(len, found.samples)) > 30_000
    assert max(map(len, found.samples)) == 512


def test_chats_are_rendered_by_the_models_own_template(demo: Source, tokenizer: tokens.Tokenizer, tmp_path: Path):
    file = lines(tmp_path, {"prompt": "3+4", "answer": "3 + 4 = 7."})
    (sample,) = calibrated(demo, file, tokenizer).samples
    text = tokenizer.decode(sample)  # type: ignore[attr-defined]
    assert text == "<|im_start|>user\n3+4<|im_end|><|im_start|>assistant\n3 + 4 = 7.<|im_end|>"


SEEDED = """
import sys
from pathlib import Path
from quantize import calibration, recipe, source
found = calibration.prepare(source.read(Path(sys.argv[1])), recipe.Recipe(seed=int(sys.argv[2]), samples=40))
print(found.digest)
"""


def test_the_same_seed_gives_the_same_samples_in_every_process(demo: Source, tokenizer: tokens.Tokenizer):
    mine = prepare(demo, Recipe(seed=3, samples=40), tokenizer)
    environ = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", SEEDED, str(models.DEMO), "3"], capture_output=True, text=True, cwd=models.ROOT, env=environ
    )
    assert done.stdout.strip() == mine.digest, done.stderr
    assert mine.digest != prepare(demo, Recipe(seed=4, samples=40), tokenizer).digest


def test_drawing_leaves_the_global_random_state_alone(demo: Source, tmp_path: Path):
    import random

    state = random.getstate()
    calibrated(demo, lines(tmp_path, *(f"text number {n}" for n in range(30))), samples=5)
    assert random.getstate() == state


# Drawing and cutting


def test_samples_are_drawn_from_all_rows(demo: Source, tmp_path: Path):
    file = lines(tmp_path, *("word " * (n + 1) for n in range(100)))
    found = calibrated(demo, file, samples=10)
    assert len(found.samples) == 10
    assert max(map(len, found.samples)) > 20


def test_long_samples_are_cut_and_short_ones_left_as_they_are(demo: Source, tmp_path: Path):
    file = lines(tmp_path, "word " * 100, {"prompt": "word " * 100, "answer": "yes"}, "two words")
    assert sorted(map(len, calibrated(demo, file, samples=3, sequence_length=64).samples)) == [2, 64, 64]


def test_the_rest_of_long_texts_fills_what_rows_leave(demo: Source, tmp_path: Path):
    file = tmp_path / "book.txt"
    file.write_text("word " * 150 + "\n\nend\n")
    found = calibrated(demo, file, samples=9, sequence_length=64)
    assert sorted(map(len, found.samples)) == [1, 22, 64, 64]


def test_a_last_window_of_a_few_tokens_is_no_sample(demo: Source, tmp_path: Path):
    assert [len(each) for each in calibrated(demo, lines(tmp_path, "word " * 70), samples=9, sequence_length=64).samples] == [64]


def test_a_chat_is_not_continued_in_a_second_sample(demo: Source, tmp_path: Path):
    file = lines(tmp_path, {"prompt": "word " * 200, "answer": "yes"})
    assert len(calibrated(demo, file, samples=9, sequence_length=64).samples) == 1


def test_samples_are_no_longer_than_the_model_can_read(demo: Source, tmp_path: Path):
    found = calibrated(replace(demo, context=32), lines(tmp_path, "word " * 100), samples=1, sequence_length=64)
    assert len(found.samples[0]) == 32
    assert found.warnings[0] == "samples are cut to 32 tokens, the longest sequence of demo, not 64"


# Warnings


def test_too_few_and_too_short_samples_are_a_warning_with_the_numbers(demo: Source, tmp_path: Path):
    found = calibrated(demo, lines(tmp_path, *["three words only"] * 41))
    assert found.warnings[0] == "41 of 256 samples asked for; mean length 3 tokens of 512: give more, or longer ones"


def test_too_few_samples_of_a_good_length_are_a_warning(demo: Source, tmp_path: Path):
    found = calibrated(demo, lines(tmp_path, *["word " * 500] * 41))
    assert found.warnings == ("41 of 256 samples asked for; mean length 500 tokens of 512",)


def test_fewer_tokens_than_the_widest_layer_has_inputs(demo: Source, tmp_path: Path):
    found = calibrated(demo, lines(tmp_path, "word " * 100), samples=1)
    assert found.warnings == ("100 calibration tokens are fewer than the 512 inputs of the widest layer: GPTQ wants several times as many",)


# Chat templates


def test_a_template_that_takes_no_system_message_gets_it_with_the_question(demo: Source, tmp_path: Path):
    chat = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]}
    found = calibrated(demo, lines(tmp_path, chat), Words(refuses=["system"]), samples=1)
    assert found.samples == [[len(word) for word in ("<user>", "Be", "brief.", "Why?", "<assistant>")]]


def test_chats_that_the_template_refuses_are_left_out_and_counted(demo: Source, tmp_path: Path):
    tool = {"messages": [{"role": "user", "content": "Why?"}, {"role": "tool", "content": "because"}]}
    found = calibrated(demo, lines(tmp_path, tool, tool, "a text of its own"), Words(refuses=["tool"]), samples=5)
    assert found.samples == [[1, 4, 2, 3, 3]]
    assert "2 chats are left out: the chat template of demo refuses them (tool is not supported)" in found.warnings


def test_a_template_that_refuses_everything_is_an_error(demo: Source, tmp_path: Path):
    with pytest.raises(CalibrationError, match="can be used with demo: its chat template says 'user is not supported'"):
        calibrated(demo, lines(tmp_path, {"prompt": "a", "answer": "b"}), Words(refuses=["user"]))


def test_without_a_template_chats_are_plain_text_and_that_is_said(demo: Source, tmp_path: Path):
    file = lines(tmp_path, {"prompt": "two words", "answer": "yes"})
    found = calibrated(replace(demo, chat_template=False), file, samples=1)
    assert found.samples == [[3, 5, 3]]
    assert found.warnings[0] == "demo has no chat template: 1 chats are read as plain text"


def test_a_chat_that_ends_with_a_question_ends_where_the_answer_would_begin(demo: Source, tmp_path: Path):
    chat = {"messages": [{"role": "user", "content": "Why?"}]}
    assert calibrated(demo, lines(tmp_path, chat), samples=1).samples == [[len("<user>"), 4, len("<assistant>")]]


# Where it comes from


def test_the_source_names_a_file_without_its_folder(demo: Source, tmp_path: Path):
    assert calibrated(demo, lines(tmp_path, "a b c")).source == "calibration.jsonl"


def test_a_missing_file(demo: Source, tmp_path: Path):
    with pytest.raises(CalibrationError, match=r"no calibration file at .*none\.jsonl: check the path"):
        calibrated(demo, tmp_path / "none.jsonl")


def test_a_missing_file_is_not_taken_for_a_data_set(demo: Source):
    with pytest.raises(CalibrationError, match=r"no calibration file at data/none\.jsonl"):
        calibrated(demo, "data/none.jsonl")


def test_a_tokenizer_that_cannot_be_loaded(tmp_path: Path):
    source = read(models.folder(tmp_path / "m"))
    with pytest.raises(SourceError, match=r"the tokenizer in .* cannot be loaded"):
        prepare(source, Recipe())
