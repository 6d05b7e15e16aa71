"""The whole process tree, with fake engines and workers: what starts, what comes back, what ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.engine.guardian import descendants
from server.settings import ROOT, Model
from server.state import Phase, read_state
from tests.server.engine.conftest import alive, write_model


class Stack:
    """A supervisor in a process of its own; `folder` holds its settings, its data and what it said."""

    def __init__(self, folder: Path, *faults: str, models: list[dict[str, Any]] | None = None, **gateway: Any):
        self.folder = folder
        models = models or [{"name": "m", "path": str(write_model(folder / "model"))}]
        settings = {
            "models": models,
            "gateway": {"port": 0, "data_dir": str(folder / "data"), "drain_timeout": "2s", **gateway},
            "watchdog": {"interval": "50ms"},
            "restart": {"first": "10ms", "max": "20ms", "attempts": 2},
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "run").mkdir()
        self.out = (folder / "out").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.server.supervised", str(folder / "settings.json"), *faults],
            cwd=ROOT,
            env={**os.environ, "XDG_RUNTIME_DIR": str(folder / "run")},
            stdout=self.out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def said(self) -> str:
        return (self.folder / "out").read_text()

    def until(self, text: str, within: float = 20) -> str:
        end = time.monotonic() + within
        while text not in self.said():
            assert time.monotonic() < end, f"no '{text}' in:\n{self.said()}"
            assert self.process.poll() is None or text in self.said(), self.said()
            time.sleep(0.02)
        return self.said()

    def port(self) -> int:
        found = re.search(r"listening on http://127.0.0.1:(\d+)", self.until("listening on"))
        assert found
        return int(found[1])

    def ask(self) -> dict[str, Any]:
        """What the fake worker answers: the state file."""
        with socket.create_connection(("127.0.0.1", self.port()), timeout=10) as client:
            return dict(json.loads(client.makefile("rb").read()))

    def tree(self) -> list[int]:
        return [self.process.pid, *descendants(self.process.pid)]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.out.close()


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a short path: sockets are in it."""
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def all_gone(pids: list[int], within: float = 10) -> bool:
    end = time.monotonic() + within
    while any(alive(pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_the_gateway_listens_before_the_engine_is_ready(short: Path) -> None:
    stack = Stack(short, "deaf")
    try:
        state = stack.ask()
        assert state["engines"]["m"]["phase"] in ("resolving", "loading")
        assert "READY" not in stack.said()
    finally:
        stack.end()


def test_ready_is_told_once_and_sigterm_ends_everything(short: Path) -> None:
    stack = Stack(short, "family", workers=2)
    try:
        stack.until("READY")
        tree = stack.tree()
        assert len(tree) >= 6  # supervisor, 2 workers, guardian, engine, its child
        run_dir = next((short / "run").iterdir())
        assert read_state(run_dir / "state.json").engines["m"].phase == Phase.READY  # type: ignore[union-attr]
        assert json.loads((run_dir / "settings.json").read_text())["gateway"]["port"] == stack.port()
        stack.process.terminate()
        assert stack.process.wait(15) == 0
        assert all_gone(tree)
        assert not run_dir.exists()
        assert stack.said().count("READY") == 1
    finally:
        stack.end()


def test_while_it_drains_the_state_says_so(short: Path) -> None:
    stack = Stack(short)
    try:
        stack.until("READY")
        state = next((short / "run").iterdir()) / "state.json"
        stack.process.terminate()
        end = time.monotonic() + 5
        while not ((read := read_state(state)) and read.draining):
            assert time.monotonic() < end
            time.sleep(0.005)
        assert stack.process.wait(15) == 0
    finally:
        stack.end()


def test_a_second_signal_hurries(short: Path) -> None:
    stack = Stack(short, "stubborn", drain_timeout="60s")
    try:
        stack.until("READY")
        tree = stack.tree()
        stack.process.send_signal(signal.SIGINT)
        stack.until("once more to end at once")
        began = time.monotonic()
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(15) == 0
        assert time.monotonic() - began < 4
        assert all_gone(tree)
    finally:
        stack.end()


def test_sigkill_leaves_nothing_behind(short: Path) -> None:
    stack = Stack(short, "family", "stubborn", workers=2)
    try:
        stack.until("READY")
        tree = stack.tree()
        stack.process.kill()
        stack.process.wait()
        assert all_gone(tree)
    finally:
        stack.end()


def test_an_engine_that_is_killed_comes_back_and_the_gateway_stays(short: Path) -> None:
    stack = Stack(short)
    try:
        stack.until("READY")
        pid = stack.ask()["engines"]["m"]["pid"]
        os.kill(pid, signal.SIGKILL)
        stack.until("restarting")
        end = time.monotonic() + 10
        while (engine := stack.ask()["engines"]["m"])["phase"] != "ready" or engine["pid"] == pid:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert engine["restarts"] == 1
        assert stack.said().count("READY") == 1
    finally:
        stack.end()


def test_when_every_engine_is_given_up_it_ends_with_one_and_the_cause_once(short: Path) -> None:
    stack = Stack(short, "crash")
    try:
        assert stack.process.wait(20) == 1
        failed = [line for line in stack.said().splitlines() if "failed:" in line]
        assert len(failed) == 1
        assert "engine-m.log" in failed[0]
    finally:
        stack.end()


def test_while_one_of_two_engines_runs_the_stack_stays(short: Path) -> None:
    model = str(write_model(short / "model"))
    models = [{"name": "a", "path": model}, {"name": "b", "path": model}]
    stack = Stack(short, f"once:{short}/one:crash", f"once:{short}/two:crash", models=models)
    try:
        stack.until("ready after")
        time.sleep(0.5)
        assert stack.process.poll() is None
    finally:
        stack.end()


def test_with_upstreams_only_there_is_no_engine(short: Path) -> None:
    stack = Stack(short, models=[{"name": "m", "upstreams": ["http://127.0.0.1:9"]}])
    try:
        stack.until("READY")
        assert stack.ask()["engines"] == {}
        stack.process.terminate()
        assert stack.process.wait(15) == 0
    finally:
        stack.end()


def test_while_a_model_has_upstreams_the_stack_outlives_its_engines(short: Path) -> None:
    models = [{"name": "m", "path": str(write_model(short / "model"))}, {"name": "far", "upstreams": ["http://127.0.0.1:9"]}]
    stack = Stack(short, "crash", models=models)
    try:
        stack.until("failed:")
        time.sleep(0.3)
        assert stack.process.poll() is None
    finally:
        stack.end()


def test_a_hangup_of_the_terminal_drains_too(short: Path) -> None:
    stack = Stack(short)
    try:
        stack.until("READY")
        stack.process.send_signal(signal.SIGHUP)
        assert stack.process.wait(15) == 0
    finally:
        stack.end()


@pytest.mark.parametrize("what", ["model", "port", "adapter", "draft", "template"])
def test_plain_mistakes_are_one_sentence_before_anything_starts(short: Path, what: str) -> None:
    model: dict[str, Any] = {"name": "m", "path": str(write_model(short / "model"))}
    port = 0
    with socket.create_server(("127.0.0.1", 0)) as other:
        if what == "model":
            model["path"] = str(short / "nowhere")
        if what == "port":
            port = other.getsockname()[1]
        if what == "adapter":
            model["adapters"] = {"a": str(short / "model")}
        if what == "draft":
            model["speculative"] = {"method": "draft_model", "model": str(short / "nowhere")}
        if what == "template":
            model["chat_template"] = str(short / "nowhere.jinja")
        stack = Stack(short, models=[model], port=port)
        try:
            assert stack.process.wait(10) == 1
            (line,) = stack.said().splitlines()
            said = {"model": "nowhere", "port": "--port", "adapter": "adapter_config.json", "draft": "nowhere", "template": "nowhere.jinja"}
            assert said[what] in line
            assert list((short / "run").iterdir()) == []
        finally:
            stack.end()


def test_settings_survive_the_way_to_the_workers() -> None:
    from server.settings import Settings

    settings = Settings(models=(Model(name="m", path="x", kv_cache_memory="1GiB"),))
    assert Settings.model_validate_json(settings.model_dump_json()) == settings
