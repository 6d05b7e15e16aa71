"""A sweep's file: defaults, and errors that name the file, the place and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.runs import matrix


def file(folder: Path, text: str) -> Path:
    made = folder / "sweep.yaml"
    made.write_text(text, encoding="utf-8")
    return made


def test_a_model_is_enough(tmp_path: Path) -> None:
    found = matrix.read(file(tmp_path, "models: [demo]"))
    assert found["models"] == [{"name": "demo", "model": "demo"}]
    assert found["flags"] == [{"name": "default", "engine": [], "config": {}}]
    assert [load.concurrency for load in matrix.levels(found)] == [1, 2, 4, 8, 16, 32]
    assert (found["load"]["through"], found["limit"], found["seed"]) == ("gateway", 480.0, 0)


def test_loads_are_closed_first_and_then_open(tmp_path: Path) -> None:
    text = "models: [demo]\nload: {concurrency: [1, 8], rate: [0.5, .inf], requests: 10, burstiness: 0.5}"
    found = matrix.levels(matrix.read(file(tmp_path, text)))
    assert [(load.mode, load.concurrency, load.rate, load.requests) for load in found] == [
        ("closed", 1, None, 10),
        ("closed", 8, None, 10),
        ("open", None, 0.5, 10),
        ("open", None, float("inf"), 10),
    ]


def test_a_shape_is_named_after_itself_and_its_format(tmp_path: Path) -> None:
    found = matrix.read(file(tmp_path, "models: [{shape: Qwen3-8B, format: awq}, {shape: demo}]"))
    assert [model["name"] for model in found["models"]] == ["Qwen3-8B-awq", "demo-bf16"]


def test_flags_are_words_and_name_themselves(tmp_path: Path) -> None:
    found = matrix.read(file(tmp_path, "models: [demo]\nflags: [{engine: [--max-num-seqs, 8]}]"))
    assert found["flags"] == [{"name": "--max-num-seqs 8", "engine": ["--max-num-seqs", "8"], "config": {}}]


def test_prompts_take_the_options_of_bench_serve(tmp_path: Path) -> None:
    text = "models: [demo]\nload: {prompts: [{dataset: text, language: ko, input_tokens: 64, output_tokens: 32}]}"
    (prompts,) = matrix.read(file(tmp_path, text))["prompts"]
    assert prompts["name"] == "text 64/32"
    assert matrix.options(prompts, max_model_len=2048).language == "ko"


WRONG: list[tuple[str, str]] = [
    ("", "holds no mapping: begin with `models:`"),
    ("models: [", "is not YAML: "),
    ("models: []", "models is empty: name at least one"),
    ("model: [demo]", "there is no key 'model': the keys are models, flags, load, seed, limit"),
    ("models: demo", "models is 'demo': write a list"),
    ("models: [3]", r"models\[0\]: is 3: write a mapping of name, model, shape, format"),
    ("models: [{name: a}]", r"models\[0\]: write either `model: NAME`"),
    ("models: [{model: a, shape: demo}]", r"models\[0\]: write either `model: NAME`"),
    ("models: [{shape: GPT-5}]", r"models\[0\]: shape is 'GPT-5': write one of Qwen2.5-0.5B, "),
    ("models: [{shape: demo, format: q4}]", r"models\[0\]: format is 'q4': write one of bf16, fp8, gptq, "),
    ("models: [{model: demo, format: awq}]", r"models\[0\]: format goes with `shape`"),
    ("models: [demo, demo]", "models: two are called 'demo': give one another `name`"),
    ("models: [demo]\nflags: [{flag: [-a]}]", r"flags\[0\]: there is no key 'flag': the keys are name, engine, config"),
    ("models: [demo]\nflags: [{engine: --a}]", r"flags\[0\]: engine is '--a': write a list"),
    ("models: [demo]\nload: {concurency: [1]}", "load: there is no key 'concurency': the keys are concurrency, rate, "),
    ("models: [demo]\nload: {concurrency: [0]}", "load: --concurrency '0': write whole numbers from 1 on"),
    ("models: [demo]\nload: {rate: [-1]}", "load: --rate '-1': requests a second above 0"),
    ("models: [demo]\nload: {rate: [fast]}", "load: --rate 'fast': requests a second above 0"),
    ("models: [demo]\nload: {concurrency: [8, 8]}", "load: concurrency 8 stands there twice"),
    ("models: [demo]\nload: {requests: many}", "load: requests is 'many': write a whole number"),
    ("models: [demo]\nload: {requests: true}", "load: requests is True: write a whole number"),
    ("models: [demo]\nload: {repeat: 0}", "load: repeat is 0: write 1 or more"),
    ("models: [demo]\nload: {slo: fast}", "load: the limit 'fast' is not NAME=TIME"),
    ("models: [demo]\nload: {through: proxy}", "load: through is 'proxy': write gateway or engine"),
    ("models: [demo]\nload: {prompts: [{tokens: 5}]}", r"load.prompts\[0\]: there is no key 'tokens': the keys are name, endpoint, "),
    ("models: [demo]\nload: {prompts: [{input_tokens: 0}]}", r"load.prompts\[0\]: --input-tokens 0: write 1 or more"),
    ("models: [demo]\nload: {prompts: [{input_tokens: few}]}", r"load.prompts\[0\]: a value has the wrong kind"),
    ("models: [demo]\nload: {prompts: [{dataset: jsonl}]}", r"load.prompts\[0\]: --dataset jsonl needs a file"),
    ("models: [demo]\nlimit: 0", "limit is 0 s: write seconds above 0"),
    ("models: [demo]\nseed: x", "seed is 'x': write a whole number"),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=[text.replace("\n", " ") or "empty" for text, _ in WRONG])
def test_what_is_wrong_is_said_with_the_file_and_the_place(text: str, words: str, tmp_path: Path) -> None:
    made = file(tmp_path, text)
    with pytest.raises(BenchUsageError, match=words) as caught:
        matrix.read(made)
    assert caught.value.message.startswith(str(made))
    assert "\n" not in caught.value.message


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchUsageError, match="cannot be read"):
        matrix.read(tmp_path / "none.yaml")


def test_a_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BenchUsageError, match="is not a text file"):
        matrix.read(tmp_path / "sweep.yaml")


@pytest.mark.parametrize(("names", "expected"), [(("Qwen/Qwen3", "a b"), "Qwen-Qwen3-a-b"), (("..",), "cell"), (("한",), "cell")])
def test_a_cells_name_is_one_of_a_file(names: tuple[str, ...], expected: Any) -> None:
    assert matrix.slug(*names) == expected
