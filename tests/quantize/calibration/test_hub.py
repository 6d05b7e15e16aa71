"""Data sets through `datasets`: a folder of data files, and the hub where it cannot be reached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quantize.calibration import hub
from quantize.calibration.rows import Chat, Text
from quantize.errors import CalibrationError
from tests.quantize.models import ROOT

pytest.importorskip("datasets")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"question": f"{n} + 1?", "answer": str(n + 1), "note": f"note {n}"} for n in range(20)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "test.jsonl").write_text(json.dumps({"question": "last?", "answer": "yes", "note": "n"}))
    return tmp_path


def wrong(wanted: str) -> str:
    with pytest.raises(CalibrationError) as caught:
        hub.read(wanted, 5)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_the_first_rows_of_the_training_split_are_streamed(folder: Path):
    found = hub.read(str(folder), 5)
    assert len(found) == 5
    assert found[0] == Chat(({"role": "user", "content": "0 + 1?"}, {"role": "assistant", "content": "1"}))


def test_another_split(folder: Path):
    assert len(hub.read(f"{folder}:test", 5)) == 1


def test_a_column_of_texts(folder: Path):
    assert hub.read(f"{folder}:train:note", 2) == [Text("note 0"), Text("note 1")]


def test_an_unknown_column_is_told_with_the_known_ones(folder: Path):
    assert wrong(f"{folder}:train:text") == f"the data set {folder} has no column 'text': its columns are question, answer, note"


def test_an_unknown_split(folder: Path):
    assert wrong(f"{folder}:validation").startswith(f"the data set {folder} has no split 'validation'")


def test_rows_that_are_no_samples_ask_for_a_column(tmp_path: Path):
    (tmp_path / "train.jsonl").write_text('{"body": "a text"}\n')
    message = wrong(str(tmp_path))
    assert "row 1: it has neither messages" in message
    assert message.endswith("name the column with the texts, as in org/name:split:column")


@pytest.mark.parametrize(
    ("name", "is_id"), [("org/name", True), ("org/name:train:text", True), ("name", False), ("/a/b", False), ("a/b/c", False)]
)
def test_what_reads_like_a_data_set_of_the_hub(name: str, is_id: bool):
    assert hub.is_id(name) is is_id


UNREACHED = """
import sys
from quantize.calibration import hub
try:
    hub.read("some-org/some-data", 5)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_without_the_hub_the_way_out_is_named(tmp_path: Path):
    environ = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", UNREACHED], capture_output=True, text=True, cwd=ROOT, env=environ)
    words = "CalibrationError the data set some-org/some-data cannot be reached: HF_HUB_OFFLINE is set; give a file"
    assert done.stdout.startswith(words), done.stdout + done.stderr


class DatasetNotFoundError(FileNotFoundError):
    """Named as the one of datasets, which takes seconds to import and is told by its name."""


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as found:
        return found


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionError("refused"), "the data set a/b cannot be reached, since there is no network: give a file"),
        (raised(DatasetNotFoundError("x"), TimeoutError("t")), "the data set a/b cannot be reached, since there is no network"),
        (
            DatasetNotFoundError("Dataset 'a/b' doesn't exist"),
            "there is no data set a/b on the hub that this machine may read",
        ),
        (ValueError("Unknown split \"x\". Should be one of ['train']."), "the data set a/b has no split 'x': Unknown split"),
        (ValueError("Config name is missing.\nPlease pick one"), "the data set a/b has several parts, of which none can be named here"),
        (RuntimeError("Dataset scripts are no longer supported"), "the data set a/b cannot be read (RuntimeError: Dataset scripts"),
    ],
)
def test_what_a_library_raises_becomes_one_sentence(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    found = hub.sentence("a/b", "x", error)
    assert found.startswith(words)
    assert "\n" not in found
