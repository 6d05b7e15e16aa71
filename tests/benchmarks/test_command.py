"""The flags of `sllm bench`, up to the run that they ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sllm
from benchmarks.command.words import numbers
from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.runs import batching, latency, serve, speculation, sweep, throughput


class Asked(BenchError):
    """Ends a command where the run would begin."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """The options that a run was called with. Results go to an empty folder."""
    found: list[Any] = []

    def run(options: Any, *_: Any) -> Any:
        found.append(options)
        raise Asked("here the run begins")

    for module in (batching, latency, serve, speculation, sweep, throughput):
        monkeypatch.setattr(module, "run", run)
    monkeypatch.chdir(tmp_path)
    return found


@pytest.mark.parametrize("words", ["throughput", "latency", "batching", "speculation"])
def test_what_follows_the_dashes_is_the_engines(words: str, asked: list[Any]):
    assert sllm.main(["bench", words, "my/model", "--seed", "7", "--", "--max-num-seqs", "8", "--enforce-eager"]) == 1
    (options,) = asked
    assert options.model == "my/model"
    assert options.seed == 7
    assert options.flags == ("--max-num-seqs", "8", "--enforce-eager")


@pytest.mark.parametrize("words", ["throughput", "latency", "batching", "speculation"])
def test_without_a_model_it_is_the_demo_even_before_engine_flags(words: str, asked: list[Any]):
    assert sllm.main(["bench", words, "--", "--max-num-seqs", "8"]) == 1
    assert asked[0].model is None


def test_serve_takes_both_kinds_of_load_and_its_limits(asked: list[Any]):
    assert sllm.main(["bench", "serve", "-u", "http://a", "-u", "http://b", "-c", "1,8", "-r", "2", "--slo", "ttft=200ms"]) == 1
    (options,) = asked
    assert options.urls == ("http://a", "http://b")
    assert [(load.mode, load.concurrency, load.rate) for load in options.loads] == [
        ("closed", 1, None),
        ("closed", 8, None),
        ("open", None, 2.0),
    ]
    assert options.slo.ttft == 0.2


def test_answers_of_batching_have_a_range_of_lengths(asked: list[Any]):
    assert sllm.main(["bench", "batching", "--output-tokens", "4:64"]) == 1
    assert (asked[0].low, asked[0].high) == (4, 64)


def test_a_data_set_for_speculation_replaces_the_models_own_questions(asked: list[Any]):
    sllm.main(["bench", "speculation"])
    sllm.main(["bench", "speculation", "--dataset", "text", "--language", "ko"])
    assert asked[0].prompts is None
    assert (asked[1].prompts.dataset, asked[1].prompts.language, asked[1].prompts.ignore_eos) == ("text", "ko", False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "-r", "0"], "--rate '0'"),
        (["serve", "--slo", "ttft=fast"], "ttft=fast"),
        (["latency", "-b", "eight"], "--batch eight"),
        (["batching", "--output-tokens", "16-64"], "--output-tokens 16-64"),
        (["speculation", "--tokens", "0"], "--tokens 0"),
        (["suite", "cpu"], "suite --help"),
        (["compare", "none.json", "none.json"], "none.json"),
        (["sweep", "none.yaml"], "none.yaml"),
    ],
    ids=str,
)
def test_wrong_usage_is_one_sentence_that_names_the_flag(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert sllm.main(["bench", *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []  # no folder of results for a run that never was


def test_an_earlier_result_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "result.json").write_text("{}")
    assert sllm.main(["bench", "latency", "--out", str(tmp_path)]) == 2
    assert "already holds a result" in capsys.readouterr().err


def test_numbers_are_taken_once_each_and_in_order():
    assert numbers("--batch", "4, 1,4") == (4, 1)
    with pytest.raises(BenchUsageError):
        numbers("--batch", ",")
