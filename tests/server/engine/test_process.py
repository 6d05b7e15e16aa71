import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from server.engine.process import EngineProcess, rotate
from tests.server.engine.conftest import FAKE, alive


async def start(tmp_path: Path, *faults: str) -> EngineProcess:
    return await EngineProcess.start((sys.executable, "-S", str(FAKE), str(tmp_path / "s"), *faults), os.environ, tmp_path / "e.log")


async def child_of(process: EngineProcess) -> int:
    async with asyncio.timeout(10):
        while "child" not in process.tail():
            await asyncio.sleep(0.02)
    return int(process.tail().split()[1])


async def test_an_engine_that_ends_reports_its_exit_status_and_its_log(tmp_path: Path) -> None:
    process = await start(tmp_path, "crash")
    assert await process.exited == 3
    assert "something that no table knows" in process.tail()


async def test_stop_asks_first(tmp_path: Path) -> None:
    process = await start(tmp_path)
    async with asyncio.timeout(10):
        while not (tmp_path / "s").exists():
            await asyncio.sleep(0.02)
    assert await process.stop(grace=10) == 0


async def test_stop_ends_an_engine_that_ignores_sigterm(tmp_path: Path) -> None:
    process = await start(tmp_path, "stubborn")
    async with asyncio.timeout(10):
        while not (tmp_path / "s").exists():
            await asyncio.sleep(0.02)
    assert await process.stop(grace=0.2) == -signal.SIGKILL
    assert not alive(process.pid)


async def test_kill_ends_processes_that_left_the_session(tmp_path: Path) -> None:
    process = await start(tmp_path, "family")
    child = await child_of(process)
    assert alive(child)
    await process.kill()
    assert not alive(child)


async def test_when_the_engine_dies_what_it_started_dies(tmp_path: Path) -> None:
    process = await start(tmp_path, "family")
    child = await child_of(process)
    os.kill(process.pid, signal.SIGKILL)
    assert await process.exited == -signal.SIGKILL
    assert not alive(child)


async def test_a_stopped_engine_can_be_killed(tmp_path: Path) -> None:
    process = await start(tmp_path)
    os.kill(process.pid, signal.SIGSTOP)
    assert await asyncio.wait_for(process.kill(), 10) == -signal.SIGKILL


async def test_when_the_guardian_is_killed_the_engine_dies(tmp_path: Path) -> None:
    process = await start(tmp_path)
    process.guardian.kill()
    assert await process.exited == -signal.SIGKILL
    await gone(process.pid)


async def test_a_program_that_is_not_there_is_an_exit_status(tmp_path: Path) -> None:
    process = await EngineProcess.start(("/no/such/program",), os.environ, tmp_path / "e.log")
    assert await process.exited == 127
    assert "cannot start /no/such/program" in process.tail()


async def test_when_the_supervisor_is_killed_the_whole_tree_dies(tmp_path: Path) -> None:
    script = f"""
import asyncio, os, sys
from pathlib import Path
from server.engine.process import EngineProcess

async def main():
    words = (sys.executable, "-S", {str(FAKE)!r}, sys.argv[1], "family", "stubborn")
    process = await EngineProcess.start(words, os.environ, Path(sys.argv[2]))
    print(process.pid, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path / "s"), str(tmp_path / "e.log"), stdout=asyncio.subprocess.PIPE
    )
    assert supervisor.stdout is not None
    engine = int(await supervisor.stdout.readline())
    async with asyncio.timeout(10):
        while "child" not in (tmp_path / "e.log").read_text():
            await asyncio.sleep(0.02)
    child = int((tmp_path / "e.log").read_text().split()[1])
    supervisor.kill()
    await supervisor.wait()
    await gone(engine)
    await gone(child)


async def test_the_engines_cpu_time_is_counted(tmp_path: Path) -> None:
    script = "while True: pass"
    process = await EngineProcess.start((sys.executable, "-c", script), os.environ, tmp_path / "e.log")
    async with asyncio.timeout(20):
        while process.cpu_seconds() < 0.2:
            await asyncio.sleep(0.05)
    await process.kill()
    assert process.cpu_seconds() == 0.0


def test_logs_are_rotated_and_a_few_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "engine-m.log"
    for number in range(6):
        rotate(log)
        log.write_text(str(number))
    assert {file.name: file.read_text() for file in log.parent.iterdir()} == {
        "engine-m.log": "5",
        "engine-m.log.1": "4",
        "engine-m.log.2": "3",
        "engine-m.log.3": "2",
    }


async def gone(pid: int, within: float = 10) -> None:
    end = time.monotonic() + within
    while alive(pid):
        assert time.monotonic() < end, f"process {pid} still runs"
        await asyncio.sleep(0.02)
