"""A checkpoint has its name only when it is whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from quantize import aside
from quantize.errors import Refused, UsageError


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "model-gptq"


def checkpoint(folder: Path, word: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sllm.json").write_text("{}")
    (folder / "model.safetensors").write_text(word)
    return folder


def begin(out: Path, held: int) -> aside.Aside:
    work = aside.beside(out, held)
    work.make()
    return work


def word(folder: Path) -> str:
    return (folder / "model.safetensors").read_text()


# What may be made


def test_a_folder_that_is_not_there_or_empty_may_be_made(out: Path, tmp_path: Path):
    aside.check(out, tmp_path / "model", force=False)
    out.mkdir()
    aside.check(out, tmp_path / "model", force=False)


def test_what_exists_is_refused_and_the_sentence_says_force(out: Path, tmp_path: Path):
    checkpoint(out, "old")
    with pytest.raises(UsageError, match="exists: give another --out, or --force"):
        aside.check(out, tmp_path / "model", force=False)
    aside.check(out, tmp_path / "model", force=True)


def test_force_leaves_what_was_not_made_here(out: Path, tmp_path: Path):
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="was not made by `sllm quantize`"):
        aside.check(out, tmp_path / "model", force=True)


@pytest.mark.parametrize("where", ["models/small", "models", "."])
def test_the_model_itself_and_what_holds_it_are_refused(tmp_path: Path, where: str):
    source = checkpoint(tmp_path / "models" / "small", "source")
    with pytest.raises(UsageError, match="holds the model itself"):
        aside.check((tmp_path / where).resolve(), source, force=True)


def test_a_file_is_refused(out: Path, tmp_path: Path):
    out.write_text("")
    with pytest.raises(UsageError, match="is a file"):
        aside.check(out, tmp_path / "model", force=True)


def test_a_place_below_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to"):
        aside.check(tmp_path / "file" / "out", tmp_path / "model", force=False)


# One at a time


def test_two_runs_to_the_same_folder_the_second_is_refused(out: Path):
    with aside.lock(out), pytest.raises(Refused, match="another run is making"), aside.lock(out, patience=0.1):
        pass


def test_a_lock_ends_with_its_run_and_the_log_starts_anew(out: Path):
    with aside.lock(out):
        aside.log_of(out).write_text("said before")
    with aside.lock(out, patience=0):
        assert aside.log_of(out).read_text() == ""


# Aside, then renamed


def test_nothing_has_the_name_before_it_is_published(out: Path):
    with aside.lock(out) as held:
        work = begin(out, held)
        checkpoint(work.checkpoint, "new")
        assert not out.exists()
        aside.publish(work, force=False)
    assert word(out) == "new"
    assert stat.S_IMODE(out.stat().st_mode) == 0o777 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("options", [{}, {"exchange": lambda one, other: False}], ids=["in one step", "where folders cannot be exchanged"])
def test_force_puts_the_old_one_where_it_goes_with_the_rest(out: Path, options: dict[str, Any]):
    checkpoint(out, "old")
    with aside.lock(out) as held:
        work = begin(out, held)
        checkpoint(work.checkpoint, "new")
        aside.publish(work, force=True, **options)
        assert [word(file.parent) for file in work.folder.rglob("model.safetensors")] == ["old"]
    assert word(out) == "new"
    assert sorted(path.name for path in out.parent.iterdir()) == sorted([out.name, f"{out.name}.log", work.folder.name])


def test_without_force_a_folder_that_came_meanwhile_stays(out: Path):
    with aside.lock(out) as held:
        work = begin(out, held)
        checkpoint(work.checkpoint, "new")
        checkpoint(out, "other")
        with pytest.raises(UsageError, match="has come into being meanwhile"):
            aside.publish(work, force=False)
    assert word(out) == "other"


# After a loss of power


def test_what_dead_runs_left_is_removed_and_neighbours_stay(out: Path):
    with aside.lock(out) as held:
        checkpoint(begin(out, held).checkpoint, "half")
    neighbour = checkpoint(out.with_name(f".{out.name}2.partial-x"), "of another")
    with aside.lock(out) as held:
        work = begin(out, held)
    assert {path for path in out.parent.iterdir() if path.is_dir()} == {work.folder, neighbour}


def test_a_name_with_the_signs_of_a_pattern_is_only_itself(tmp_path: Path):
    neighbour = checkpoint(tmp_path / ".m1.partial-x", "of another")
    with aside.lock(tmp_path / "m[1]") as held:
        begin(tmp_path / "m[1]", held)
    assert neighbour.exists()


def test_an_old_checkpoint_between_two_renames_gets_its_name_back(out: Path):
    checkpoint(out.with_name(f".{out.name}.before"), "old")
    with aside.lock(out) as held:
        begin(out, held)
    assert word(out) == "old"
