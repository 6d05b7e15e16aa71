from pathlib import Path

import pytest

from server.engine import resolve
from server.errors import ModelNotFound, StartError
from server.settings import ROOT, Model
from tests.server.engine.conftest import write_model


def test_a_folder_is_found_here_or_in_the_project(model_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve.local("model") == model_folder
    assert resolve.local(str(model_folder)) == model_folder
    assert resolve.local("models/demo/lessons") == ROOT / "models" / "demo" / "lessons"


@pytest.mark.parametrize("hub_id", ["Qwen/Qwen3-0.6B", "gpt2", "sentence-transformers/all-MiniLM-L6-v2"])
def test_a_hub_id_is_left_for_later(hub_id: str) -> None:
    assert resolve.local(hub_id) is None


@pytest.mark.parametrize("path", ["/nowhere", "./nowhere", "~/nowhere", "a/b/c", "models/nowhere"])
def test_what_can_only_be_a_folder_must_be_there(path: str) -> None:
    with pytest.raises(ModelNotFound, match="no model folder at"):
        resolve.local(path)


def test_the_highest_rank_of_an_adapter_counts(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"r": 8, "rank_pattern": {"q_proj": 32}}')
    assert resolve.adapter_rank(tmp_path) == 32


def test_a_folder_that_is_no_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="is not a LoRA adapter"):
        resolve.adapter_rank(tmp_path)


async def test_everything_of_a_model_is_resolved(model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text('{"r": 16}')
    draft = write_model(tmp_path / "draft")
    model = Model(
        name="m",
        path=str(model_folder),
        adapters={"a": str(tmp_path / "adapter")},
        speculative={"method": "draft_model", "model": str(draft)},
    )
    resolve.check(model)
    found = await resolve.resolve(model, lambda _: None)
    assert (found.checkpoint.path, found.adapters, found.adapter_rank, found.draft) == (
        model_folder,
        {"a": tmp_path / "adapter"},
        16,
        draft,
    )


def test_a_missing_chat_template_is_noticed(model_folder: Path) -> None:
    with pytest.raises(StartError, match=r"no chat template at /nowhere\.jinja"):
        resolve.check(Model(name="m", path=str(model_folder), chat_template="/nowhere.jinja"))
