"""The digest of weights: the same bytes, the same digest; any other byte, another."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantize import digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.safetensors").write_bytes(b"one")
    (tmp_path / "b.safetensors").write_bytes(b"two")
    return tmp_path


def test_it_is_the_same_for_a_copy_and_blind_to_other_files(folder: Path):
    before = digest.weights(folder)
    (folder / "README.md").write_text("words")
    assert digest.weights(folder) == before
    assert before.startswith("sha256:")
    assert len(before) == len("sha256:") + 64


@pytest.mark.parametrize(
    "files",
    [
        {"a.safetensors": b"onE", "b.safetensors": b"two"},
        {"a.safetensors": b"two", "b.safetensors": b"one"},
        {"a.safetensors": b"one", "c.safetensors": b"two"},
        {"a.safetensors": b"onet", "b.safetensors": b"wo"},
        {"a.safetensors": b"one"},
    ],
)
def test_any_other_contents_names_or_cuts_are_another(folder: Path, tmp_path: Path, files: dict[str, bytes]):
    before = digest.weights(folder)
    for file in folder.iterdir():
        file.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    assert digest.weights(folder) != before
