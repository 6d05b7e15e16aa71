from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FAKE = (sys.executable, str(Path(__file__).with_name("fakestack.py")))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, ...]]:
    """fake(**what) -> what to start instead of `sllm`; `what` as fakestack.py says. `started(tmp_path)` tells what was started."""

    def made(**what: Any) -> tuple[str, ...]:
        monkeypatch.setenv("FAKE", json.dumps({"starts": str(tmp_path / "starts.jsonl"), **what}))
        return FAKE

    return made


@pytest.fixture
def started(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """Flags and `speculative` of every engine that was started so far."""
    file = tmp_path / "starts.jsonl"
    return lambda: [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
