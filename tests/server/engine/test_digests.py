"""Digests of what an engine loads: equal for equal contents, read once, never believed of files that changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantize.digest import weights
from server.engine import digests
from server.engine.checkpoint import inspect
from server.engine.manifest import Manifest, Weights
from server.engine.resolve import Resolved
from server.settings import Model
from tests.server.engine.conftest import write_model


@pytest.fixture
def memo(tmp_path: Path) -> Path:
    return tmp_path / digests.FILE


def found(folder: Path, memo: Path, **model: object) -> digests.Digests:
    return digests.of(Resolved(inspect(folder)), Model(name="m", path=str(folder), **model), memo)  # type: ignore[arg-type]


def test_weights_have_the_digest_that_quantize_writes(model_folder: Path, memo: Path):
    assert found(model_folder, memo).weights == weights(model_folder)


def test_the_checkpoints_own_digest_is_taken(model_folder: Path, memo: Path):
    resolved = Resolved(inspect(model_folder), manifest=Manifest(method="gptq", weights=Weights(digest="sha256:own")))
    assert digests.of(resolved, Model(name="m", path="x"), memo).weights == "sha256:own"


def test_a_copy_elsewhere_has_the_same_digests(tmp_path: Path, memo: Path):
    assert found(write_model(tmp_path / "a"), memo) == found(write_model(tmp_path / "b"), memo)


@pytest.mark.parametrize("name", ["generation_config.json", "tokenizer.json", "chat_template.jinja", "config.json"])
def test_a_small_file_that_shapes_answers_changes_the_template(name: str, model_folder: Path, memo: Path):
    before = found(model_folder, memo)
    (model_folder / name).write_text(json.dumps({**json.loads((model_folder / "config.json").read_text()), "new": 1}))
    after = found(model_folder, memo)
    assert after.weights == before.weights
    assert after.template != before.template


def test_a_template_of_the_configuration_counts(tmp_path: Path, model_folder: Path, memo: Path):
    (tmp_path / "mine.jinja").write_text("{{ messages }}")
    assert found(model_folder, memo, chat_template=str(tmp_path / "mine.jinja")).template != found(model_folder, memo).template


def test_our_own_notes_in_a_checkpoint_change_nothing(model_folder: Path, memo: Path):
    before = found(model_folder, memo)
    (model_folder / "sllm.json").write_text("{}")
    assert found(model_folder, memo) == before


def test_an_adapter_has_its_own(tmp_path: Path, model_folder: Path, memo: Path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes(b"one")
    resolved = Resolved(inspect(model_folder), adapters={"a": adapter})
    first = digests.of(resolved, Model(name="m", path="x"), memo).adapters["a"]
    (adapter / "adapter_model.safetensors").write_bytes(b"two")
    assert digests.of(resolved, Model(name="m", path="x"), memo).adapters["a"] != first


def test_a_file_is_read_once(model_folder: Path, memo: Path):
    first = digests.digest(digests.weight_files(model_folder), memo)
    assert digests.digest(digests.weight_files(model_folder), memo, stopped=lambda: True) == first  # reading would raise Stopped


def test_a_file_of_the_same_size_with_another_time_is_read_again(model_folder: Path, memo: Path):
    first = digests.digest(digests.weight_files(model_folder), memo)
    (file,) = digests.weight_files(model_folder)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    os.utime(file, ns=(1, 1))
    assert digests.digest(digests.weight_files(model_folder), memo) != first


def test_reading_ends_when_the_engine_stops(model_folder: Path, memo: Path):
    with pytest.raises(digests.Stopped):
        digests.digest(digests.weight_files(model_folder), memo, stopped=lambda: True)


def test_files_that_change_while_they_are_read_have_no_digest(model_folder: Path, memo: Path):
    (file,) = digests.weight_files(model_folder)

    def changes() -> Iterator[bool]:
        file.write_bytes(b"other")
        while True:
            yield False

    with pytest.raises(OSError, match="change while they are read"):
        digests.digest([file], memo, stopped=changes().__next__)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"k": 1}'])
def test_a_broken_memo_is_no_memo(content: str, model_folder: Path, memo: Path):
    memo.write_text(content)
    assert found(model_folder, memo).weights == weights(model_folder)


def test_a_folder_that_cannot_be_written_to_costs_only_time(tmp_path: Path, model_folder: Path):
    assert found(model_folder, tmp_path / "not" / "there" / "memo.json").weights == weights(model_folder)
