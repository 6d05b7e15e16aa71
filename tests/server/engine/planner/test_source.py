"""Models of a hub of our own: config and headers are read, weights are not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.settings import ROOT
from tests.server.engine.fake_hub import Hub, serve
from tests.server.engine.planner.models import config, header, llama

MADE = config(2, 4, 2, 64, 256)


@pytest.fixture
def hub() -> Iterator[Hub]:
    text = json.dumps(MADE).encode()
    whole = {"config.json": text, "model.safetensors": header(llama(MADE))}
    first, second = llama(MADE)[:9], llama(MADE)[9:]
    names = {tensor.name: f"model-{part}.safetensors" for part, tensors in ((1, first), (2, second)) for tensor in tensors}
    parted = {
        "config.json": text,
        "model.safetensors.index.json": json.dumps({"metadata": {}, "weight_map": names}).encode(),
        "model-1.safetensors": header(first),
        "model-2.safetensors": header(second),
    }
    with serve(
        Hub({"people/whole": whole, "people/parted": parted, "people/pickled": {"config.json": text}}, gated=("people/gated",))
    ) as hub:
        yield hub


def plan(model: str, home: Path, endpoint: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    env = {**kept, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **environ}
    words = [sys.executable, "sllm.py", "plan", model, "--vram", "24GiB", "--json"]
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=120, env=env)


@pytest.mark.parametrize("name", ["people/whole", "people/parted"])
def test_a_model_on_the_hub_is_planned_without_its_weights(name: str, hub: Hub, tmp_path: Path):
    done = plan(name, tmp_path, hub.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["checkpoint"]["bytes"] == sum(tensor.bytes for tensor in llama(MADE))
    assert not list(tmp_path.rglob("*.safetensors"))


SENTENCES = {
    "people/gated": "'people/gated' is gated: accept its licence",
    "people/nobody": "no folder and no hub model called 'people/nobody'",
    "people/pickled": "'people/pickled' has no model.safetensors",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_what_the_hub_refuses_is_one_sentence(name: str, hub: Hub, tmp_path: Path):
    done = plan(name, tmp_path, hub.url)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["message"].startswith(SENTENCES[name])


def test_without_a_network_it_says_the_ways_around(tmp_path: Path):
    done = plan("people/whole", tmp_path, "http://127.0.0.1:9")
    assert done.returncode == 1
    message = json.loads(done.stdout)["error"]["message"]
    assert "cannot be reached" in message
    assert message.endswith("copy the model's folder here and give its path, or set HF_ENDPOINT to a mirror")


def test_offline_it_says_so(tmp_path: Path):
    done = plan("people/whole", tmp_path, "http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in json.loads(done.stdout)["error"]["message"]


def test_a_model_in_the_hubs_cache_needs_no_network(tmp_path: Path):
    repo = tmp_path / "hub/models--people--whole"
    folder = repo / "snapshots" / ("c" * 40)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(MADE))
    (folder / "model.safetensors").write_bytes(header(llama(MADE)))
    (repo / "refs").mkdir()
    (repo / "refs/main").write_text("c" * 40)
    done = plan("people/whole", tmp_path, "http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stdout
