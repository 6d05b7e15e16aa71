"""A model folder of a few bytes, a machine, and engines that are not vLLM."""

import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from server.engine import argv
from server.engine.machine import Machine

FAKE = Path(__file__).with_name("fake_engine.py")
CPU = Machine("cpu", 2, 20 * 2**30, "0.32.0", ("vllm", "serve"))


def write_model(folder: Path, *, weights: int = 64, template: str = "", **config: object) -> Path:
    """A folder with a config.json, one safetensors file of `weights` bytes of tensor, and a tokenizer_config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "max_position_embeddings": 2048}
    (folder / "config.json").write_text(json.dumps({**plain, **config}))
    header = json.dumps({"__metadata__": {}, "w": {"dtype": "U8", "shape": [weights], "data_offsets": [0, weights]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(weights))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template} if template else {}))
    return folder


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model")


def fake(*faults: str) -> Callable[..., argv.Command]:
    """A builder of commands, to be given to a Stack or a Supervisor, for a fake engine with `faults`."""

    def build(parts: argv.Parts, machine: Machine, environ: object) -> argv.Command:
        return argv.Command((sys.executable, "-S", str(FAKE), str(parts.socket), *faults), dict(os.environ))

    return build


def alive(pid: int) -> bool:
    """Whether a process runs (one that waits for its parent to look does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
