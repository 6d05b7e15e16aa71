from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.options import PromptOptions


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"endpoint": "embeddings"}, "--endpoint embeddings: write chat or completions"),
        ({"dataset": "sonnet"}, "--dataset sonnet: write random, text, sharegpt or jsonl"),
        ({"language": "fr"}, "--language fr: write ko or en"),
        ({"dataset": "sharegpt"}, "needs a file: --file FILE"),
        ({"file": Path("x")}, "leave --file out"),
        ({"prefix_tokens": -1}, "--prefix-tokens is 0 or more"),
        ({"prefix_groups": 0}, "--prefix-groups 1 or more"),
        ({"dataset": "jsonl", "file": Path("x"), "prefix_tokens": 8}, "--prefix-tokens goes with --dataset random or text"),
        ({"extra": {"stream": False}}, "'stream'"),
        ({"output_tokens": 0}, "--output-tokens 0"),
        ({"input_tokens": 1000, "output_tokens": 1000, "max_model_len": 1999}, "do not fit the model's 1999"),
        ({"input_tokens": 1000, "input_range": 0.5, "output_tokens": 1, "max_model_len": 1400}, "1500 input and 1 output"),
        ({"prefix_tokens": 64, "max_model_len": 300}, "64 + 128 input and 128 output tokens"),
    ],
)
def test_what_cannot_be_asked_is_told_with_its_flag(wrong: dict[str, Any], words: str):
    with pytest.raises(BenchUsageError) as caught:
        PromptOptions(**wrong).check()
    assert words in caught.value.message


def test_a_prompt_and_an_answer_may_fill_the_model():
    PromptOptions(input_tokens=1000, output_tokens=1000, max_model_len=2000).check()


def test_what_a_file_holds_is_not_judged_by_the_flags_lengths():
    PromptOptions(dataset="jsonl", file=Path("x"), input_tokens=5000, max_model_len=100).check()
