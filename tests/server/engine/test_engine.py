"""One engine's life, with a fake engine, in fractions of a second."""

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantize.digest import weights
from server.engine.engine import Engine, Stack
from server.engine.machine import Machine
from server.engine.planner import calibration
from server.engine.shares import Need
from server.errors import EngineFailed, ModelNotFound
from server.settings import DEMO_MODEL, ROOT, Gateway, Model, Restart, Settings, Watchdog
from server.state import EngineState, Phase
from tests.server.engine.conftest import CPU, alive, fake


class Life:
    """An engine on the fake, and what it published and said."""

    def __init__(self, tmp_path: Path, model: Path, *faults: str, machine: Machine = CPU, **restart: Any):
        self.states: list[EngineState] = []
        self.said: list[str] = []
        self.settings = Settings(
            models=(Model(name="m", path=str(model)),),
            gateway=Gateway(data_dir=tmp_path),
            watchdog=Watchdog(interval="20ms", probe_after="50ms", stalled_after="2s", start_timeout=restart.pop("start_timeout", 20)),
            restart=Restart(**{"first": "10ms", "max": "40ms", "attempts": 3, **restart}),
        )
        self.stack = Stack(
            settings=self.settings,
            machine=machine,
            run_dir=tmp_path,
            log_dir=tmp_path / "logs",
            publish=self.states.append,
            say=self.said.append,
            gate=asyncio.Semaphore(1),
            build=fake(*faults),
        )
        self.engine = Engine(self.settings.models[0], 0, self.stack)
        self.running = asyncio.create_task(self.engine.run())

    @property
    def phases(self) -> list[Phase]:
        """The phases in order, without repetitions."""
        found: list[Phase] = []
        for state in self.states:
            if not found or found[-1] != state.phase:
                found.append(state.phase)
        return found

    async def until(self, phase: Phase, restarts: int = 0) -> None:
        end = time.monotonic() + 15
        while self.engine.state.phase != phase or self.engine.state.restarts < restarts:
            assert not self.running.done(), self.running.exception()
            assert time.monotonic() < end, self.said
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        await self.engine.stop(5)
        await self.running


async def test_after_its_start_the_plan_is_held_against_its_log(tmp_path: Path) -> None:
    life = Life(tmp_path, ROOT / DEMO_MODEL, "figures")
    await life.until(Phase.READY)
    assert life.engine.comparing
    await life.engine.comparing
    (kept,) = calibration.read(tmp_path)
    assert (kept["model"], kept["predicted"]["kv_tokens"], kept["engine"]["kv_tokens"]) == ("m", 524_288, 500_000)
    assert kept["error"] == {"kv_tokens": 0.04858}
    await life.stop()


async def test_a_model_that_cannot_be_planned_starts_as_well(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder, "figures")
    await life.until(Phase.READY)
    assert life.engine.comparing
    await life.engine.comparing
    assert calibration.read(tmp_path) == []
    await life.stop()


async def test_an_engine_becomes_ready_and_stops(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder)
    await life.until(Phase.READY)
    state = life.engine.state
    assert (state.max_model_len, state.engine_version, state.task) == (77, "0.0.fake", "generate")
    assert alive(state.pid)
    await life.stop()
    assert life.phases == [Phase.RESOLVING, Phase.LOADING, Phase.WARMING_UP, Phase.READY, Phase.STOPPED]
    assert not alive(state.pid)


async def test_the_last_token_is_published_while_the_engine_works(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder)
    await life.until(Phase.READY)
    first = life.engine.state.last_token
    await asyncio.sleep(0.5)
    assert life.engine.state.last_token > first
    await life.stop()


async def test_an_engine_that_is_killed_comes_back(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder)
    await life.until(Phase.READY)
    os.kill(life.engine.state.pid, signal.SIGKILL)
    await life.until(Phase.READY, restarts=1)
    assert Phase.RESTARTING in life.phases
    await life.stop()


async def test_an_engine_that_stands_still_is_restarted(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder)
    await life.until(Phase.READY)
    stopped = life.engine.state.pid
    os.kill(stopped, signal.SIGSTOP)
    await life.until(Phase.READY, restarts=1)
    assert not alive(stopped)
    assert any("stalled" in line for line in life.said)
    await life.stop()


async def test_an_engine_that_never_starts_is_given_up_with_its_cause_and_log(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder, "crash")
    with pytest.raises(EngineFailed, match=r"something that no table knows.*3 starts failed.*engine-m\.log"):
        await life.running
    assert life.engine.state.phase == Phase.FAILED
    assert "something that no table knows" in life.engine.state.detail


async def test_zero_attempts_never_restart(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder, "crash", attempts=0)
    with pytest.raises(EngineFailed):
        await life.running
    assert Phase.RESTARTING not in life.phases


async def test_a_start_that_fails_once_is_tried_again(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder, f"once:{tmp_path}/was-here:crash")
    await life.until(Phase.READY, restarts=1)
    await life.stop()


async def test_an_engine_that_never_listens_is_ended_after_the_start_timeout(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder, "deaf", start_timeout=0.3, attempts=1)
    with pytest.raises(EngineFailed, match=r"watchdog\.start_timeout"):
        await life.running
    assert life.engine.process is not None
    assert not alive(life.engine.process.pid)


async def test_it_can_be_stopped_while_it_waits_to_start_again(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder, "crash", first="60s", max="60s")
    await life.until(Phase.RESTARTING)
    await life.engine.stop(1)
    life.running.cancel()
    await asyncio.wait({life.running}, timeout=2)
    assert life.running.done()


async def test_it_can_be_stopped_while_it_loads(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder, "deaf")
    await life.until(Phase.LOADING)
    while not life.engine.state.pid:
        await asyncio.sleep(0.01)
    await life.stop()
    assert not alive(life.engine.state.pid)


async def test_a_missing_model_fails_without_a_process(tmp_path: Path) -> None:
    life = Life(tmp_path, tmp_path / "nowhere")
    with pytest.raises(ModelNotFound):
        await life.running
    assert life.engine.state.phase == Phase.FAILED
    assert life.engine.process is None


async def test_a_model_without_a_chat_template_is_pointed_out(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder)
    await life.until(Phase.READY)
    assert any("chat_template: FILE" in line for line in life.said)
    await life.stop()


async def test_a_log_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, model_folder: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    life = Life(tmp_path, model_folder)
    with pytest.raises(EngineFailed, match=r"cannot be started: .*logs"):
        await life.running
    assert life.engine.state.phase == Phase.FAILED


async def test_on_a_gpu_an_engine_waits_for_what_the_others_need(tmp_path: Path, model_folder: Path) -> None:
    life = Life(tmp_path, model_folder, machine=replace(CPU, kind="cuda", gpu_memory=80 * 2**30))
    other = asyncio.get_running_loop().create_future()
    life.stack.needs["other"] = other
    await asyncio.sleep(0.1)
    assert life.engine.state.phase == Phase.RESOLVING
    other.set_result(Need("embed", 2**30))
    await life.until(Phase.READY)
    await life.stop()


async def test_what_is_loaded_is_told_by_its_digest(tmp_path: Path, model_folder: Path):
    life = Life(tmp_path, model_folder)
    try:
        while not life.engine.state.weights:
            await asyncio.sleep(0.01)
        assert life.engine.state.weights == weights(model_folder)
        assert life.engine.state.template.startswith("sha256:")
    finally:
        await life.engine.stop(0)
        await life.running


async def test_other_weights_at_a_restart_are_told(tmp_path: Path, model_folder: Path):
    life = Life(tmp_path, model_folder)
    try:
        await life.until(Phase.READY)
        while not (before := life.engine.state.weights):
            await asyncio.sleep(0.01)
        file = model_folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        os.kill(life.engine.state.pid, signal.SIGKILL)
        await life.until(Phase.LOADING, restarts=1)
        assert life.states[-1].weights != before
        while not life.engine.state.weights:
            await asyncio.sleep(0.01)
        assert life.engine.state.weights == weights(model_folder) != before
    finally:
        await life.engine.stop(0)
        await life.running
