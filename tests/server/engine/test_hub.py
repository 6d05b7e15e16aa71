"""Downloads from a small hub of our own, each in a process as the supervisor runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.engine import resolve
from server.engine.hub import patterns
from server.errors import DiskFull, ModelGated, ModelNotFound, StartError
from server.settings import ROOT
from tests.server.engine.conftest import write_model
from tests.server.engine.fake_hub import Hub, serve


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    source = write_model(tmp_path / "source", weights=5000)
    files = {file.name: file.read_bytes() for file in source.iterdir()}
    files |= {"pytorch_model.bin": b"the same again", "onnx/model.onnx": b"and again", "README.md": b"# tiny"}
    with serve(Hub({"people/tiny": files, "people/huge": files}, gated=("people/gated",))) as hub:
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        yield hub


async def locate(model_id: str, revision: str | None = None) -> Path:
    return await resolve.locate(model_id, revision, lambda _: None)


async def test_a_model_is_downloaded_once_and_in_one_form(hub: Hub) -> None:
    folder = await locate("people/tiny")
    assert {file.name for file in folder.iterdir()} == {"config.json", "model.safetensors", "tokenizer_config.json", "README.md"}
    hub.served.clear()
    assert await locate("people/tiny") == folder
    assert hub.served == []


async def test_offline_the_cache_is_taken(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = await locate("people/tiny")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert await locate("people/tiny") == folder


async def test_offline_and_not_cached_says_the_ways_around(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelNotFound, match="HF_HUB_OFFLINE is set: copy the model's folder"):
        await locate("people/tiny")


async def test_without_a_network_the_cache_is_taken(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = await locate("people/tiny")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert await locate("people/tiny") == folder


async def test_without_a_network_and_not_cached_names_the_mirror(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelNotFound, match=r"127\.0\.0\.1:9 cannot be reached.*HF_ENDPOINT to a mirror"):
        await locate("people/tiny")


async def test_a_gated_model_says_where_to_accept_its_licence(hub: Hub) -> None:
    with pytest.raises(ModelGated, match=rf"accept its licence at {hub.url}/people/gated, then `hf auth login`"):
        await locate("people/gated")


async def test_an_unknown_model_says_check_the_name(hub: Hub) -> None:
    with pytest.raises(ModelNotFound, match="no folder and no hub model called 'people/unknown'"):
        await locate("people/unknown")


async def test_an_unknown_revision_is_named(hub: Hub) -> None:
    with pytest.raises(ModelNotFound, match="no revision 'v9'"):
        await locate("people/tiny", "v9")


async def test_a_disk_that_is_too_small_is_noticed_before_the_download(hub: Hub) -> None:
    hub.claimed["model.safetensors"] = 10**18
    with pytest.raises(DiskFull, match=r"needs 1000000000\.0 GB .*HF_HOME"):
        await locate("people/huge")
    assert hub.served == []


def test_progress_is_told_in_percent(hub: Hub) -> None:
    hub.repos["people/tiny"]["model.safetensors"] += bytes(3 * 2**20)
    done = subprocess.run([sys.executable, "-m", "server.engine.hub", "people/tiny"], cwd=ROOT, env=os.environ, capture_output=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert any(line.get("detail", "").startswith("downloading ") for line in lines)
    assert "path" in lines[-1]


def test_safetensors_are_preferred_and_duplicates_left_out() -> None:
    allow, ignore = patterns(["config.json", "model-00001-of-00002.safetensors", "pytorch_model.bin", "consolidated.safetensors"])
    assert "*.safetensors" in allow
    assert "*.bin" not in allow
    assert "consolidated*" in ignore


def test_older_formats_are_taken_where_there_is_nothing_else() -> None:
    assert "*.bin" in patterns(["config.json", "pytorch_model.bin"])[0]
    assert "consolidated*" not in patterns(["consolidated.safetensors", "params.json"])[1]


async def test_what_is_no_hub_id_is_refused_without_asking(hub: Hub) -> None:
    for path in ("/no/such/folder", "./nowhere", "a/b/c", "~/nothing", "models/nowhere"):
        with pytest.raises(StartError, match="no model folder at"):
            await locate(path)
