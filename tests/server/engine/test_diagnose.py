import re
from pathlib import Path

import pytest

from server.engine.diagnose import TABLE, explain

LOGS = Path(__file__).with_name("logs")


def file_name(row: str) -> str:
    return re.sub(r"[,']", "", row.lower()).replace(" ", "-")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_row_has_a_real_log(row: object) -> None:
    assert (LOGS / f"{file_name(row.name)}.log").is_file()  # type: ignore[attr-defined]


@pytest.mark.parametrize("log", sorted(LOGS.glob("*.log")), ids=lambda log: log.stem)
def test_a_real_log_is_told_by_its_own_row(log: Path) -> None:
    found = explain(log.read_text(), 1)
    assert file_name(found.row) == re.sub(r"-\d$", "", log.stem)
    assert "{" not in re.sub(r"\{[\w-]+: [\w.]+\}", "", found.sentence), "a placeholder is left"


@pytest.mark.parametrize(
    ("log", "figures"),
    [
        ("free-memory-below-the-share", ["7.34 of 139.72 GiB", "gpu_memory_utilization: 0.05"]),
        ("context-longer-than-the-kv-cache", ["2048 tokens", "max_model_len: 128"]),
        ("context-longer-than-the-kv-cache-2", ["262144 tokens", "max_model_len: 34736"]),
        ("context-longer-than-the-models", ["2048 tokens", "100000"]),
        ("gpu-out-of-memory", ["79.11 GiB", "786.00 MiB", "140.75 MiB"]),
        ("kv-cache-larger-than-memory", ["102.4 GiB", "7.01 GiB"]),
        ("lora-rank-too-high", ["max-lora-rank: 64"]),
        ("unknown-flag", ["--no-such-flag"]),
        ("driver-too-old", ["CUDA 11"]),
        ("quantization-too-new-for-the-gpu", ["capability 70", "has 52"]),
    ],
)
def test_the_figures_of_the_log_are_in_the_sentence(log: str, figures: list[str]) -> None:
    sentence = explain((LOGS / f"{log}.log").read_text(), 1).sentence
    assert [figure for figure in figures if figure not in sentence] == []


def test_a_kill_without_words_is_explained_by_its_signal() -> None:
    assert "signal 9" in explain("INFO loading\n", -9).sentence


def test_an_unknown_error_is_quoted() -> None:
    log = (
        "(EngineCore pid=9) ERROR 11-20 23:20:40 [core.py:1510] ValueError: the moon is full\nRuntimeError: Failed. See root cause above.\n"
    )
    assert explain(log, 1).sentence == "the engine ended with 'ValueError: the moon is full'"


def test_a_refused_configuration_is_quoted() -> None:
    log = "pydantic: 1 validation error for ModelConfig\n  Value error, No such thing. [type=value_error, input_value=ArgsKwargs()]\n"
    assert explain(log, 1).sentence == "the engine ended with 'No such thing.'"


def test_a_silent_end_says_its_status() -> None:
    assert "exit status 7" in explain("", 7).sentence


def test_what_a_change_must_fix_is_not_tried_again() -> None:
    assert not explain((LOGS / "unknown-flag.log").read_text(), 2).retry
    assert explain((LOGS / "free-memory-below-the-share.log").read_text(), 1).retry
