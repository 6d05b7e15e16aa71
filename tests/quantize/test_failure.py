"""Why a step ended: what it said, how it ended, and the last line of its log that says something."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantize import failure
from quantize.children import Memory
from quantize.errors import CalibrationError, DiskFull, MethodFailed

MEMORY = Memory(0, 3 * 2**30)


def of(log: Path, status: int = 1, said: tuple[str, str] | None = None) -> Exception:
    return failure.of("gptq", status, said, log, 0, 2**30, MEMORY, 4 * 2**30)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Traceback\n  File x\nValueError: no such layer\n\n", "ValueError: no such layer"),
        ("RuntimeError: shape\nQuantizing: 100%|####| 8/8 [00:01<00:00, 5.1it/s]\n", "RuntimeError: shape"),
        ("one\rtwo\r", "two"),
        ("\x1b[31mKeyError: 'h'\x1b[0m\n", "KeyError: 'h'"),
        ("ValueError: x\n    ^^^^^\n----\n", "ValueError: x"),
        ("x" * 999, "x" * 240),
        ("", ""),
    ],
)
def test_the_last_line_that_says_something(tmp_path: Path, text: str, line: str):
    (tmp_path / "log").write_text(text)
    assert failure.last_line(tmp_path / "log") == line


def test_only_its_own_part_of_the_log_counts(tmp_path: Path):
    (tmp_path / "log").write_text("of the step before\n")
    assert failure.last_line(tmp_path / "log", start=19) == ""


def test_what_it_said_itself_is_the_error(tmp_path: Path):
    found = of(tmp_path / "log", said=("CalibrationError", "line 3 is no JSON"))
    assert (type(found), str(found)) == (CalibrationError, "line 3 is no JSON")


@pytest.mark.parametrize("said", [("KeyError", "'h.2'"), ("Path", "x"), ("", "")])
def test_a_class_that_is_none_of_ours_is_a_failed_method(tmp_path: Path, said: tuple[str, str]):
    assert type(of(tmp_path / "log", said=said)) is MethodFailed


@pytest.mark.parametrize(
    "text",
    [
        "OSError: [Errno 28] No space left on device",
        "safetensors_rust.SafetensorError: Error while serializing: I/O error: File too large (os error 27)",
        "OSError: [Errno 122] Disk quota exceeded: 'x'",
    ],
)
def test_a_full_disk_is_told_from_the_log_and_from_what_it_said(tmp_path: Path, text: str):
    (tmp_path / "log").write_text(text)
    for found in (of(tmp_path / "log"), of(tmp_path / "none", said=("MethodFailed", text))):
        assert isinstance(found, DiskFull)
        assert "about 1.0 GiB are needed there" in str(found)


def test_a_kill_is_most_likely_memory_and_says_how_much(tmp_path: Path):
    found = str(of(tmp_path / "log", status=-9))
    assert "it used 3.0 GiB, and 4.0 GiB were free" in found
    assert "--samples 64" in found


def test_another_signal_is_named(tmp_path: Path):
    assert "ended by signal SIGSEGV: it said nothing" in str(of(tmp_path / "log", status=-11))
