import asyncio
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from server import rundir
from server.settings import Gateway
from server.state import HOPELESS
from server.workers import Workers

SLEEPER = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('up', flush=True); time.sleep(1000)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"


@pytest.fixture
def listener() -> socket.socket:
    return rundir.listen("127.0.0.1", 0)


def workers(listener: socket.socket, tmp_path: Path, script: str, count: int = 1) -> tuple[Workers, list[str]]:
    said: list[str] = []
    return Workers(Gateway(workers=count), listener, tmp_path, said.append, (sys.executable, "-c", script)), said


async def until(workers: Workers, count: int, besides: frozenset[int] = frozenset()) -> list[int]:
    end = time.monotonic() + 10
    while len(pids := [p.pid for p in workers.running if p.pid not in besides]) < count:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    return pids


async def test_as_many_workers_run_as_configured(listener: socket.socket, tmp_path: Path) -> None:
    kept, _ = workers(listener, tmp_path, SLEEPER, count=3)
    with listener:
        task = asyncio.create_task(kept.keep())
        assert len(await until(kept, 3)) == 3
        await kept.kill()
        await task


async def test_a_worker_that_dies_is_started_again(listener: socket.socket, tmp_path: Path) -> None:
    kept, said = workers(listener, tmp_path, SLEEPER)
    with listener:
        task = asyncio.create_task(kept.keep())
        (first,) = await until(kept, 1)
        os.kill(first, signal.SIGKILL)
        await until(kept, 1, frozenset({first}))
        assert "gateway worker 0 ended (exit -9)" in said[0]
        await kept.kill()
        await task


async def test_drain_ends_workers_and_starts_none_and_leaves_no_client_in_the_backlog(listener: socket.socket, tmp_path: Path) -> None:
    kept, said = workers(listener, tmp_path, SLEEPER)
    address = listener.getsockname()
    with listener:
        task = asyncio.create_task(kept.keep())
        await until(kept, 1)
        await asyncio.sleep(0.3)
        await kept.drain(5)
        await asyncio.wait_for(task, 5)
        assert not kept.running
        assert not said
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, 1)


async def test_a_worker_that_ignores_the_signal_is_killed(listener: socket.socket, tmp_path: Path) -> None:
    kept, _ = workers(listener, tmp_path, STUBBORN)
    with listener:
        task = asyncio.create_task(kept.keep())
        await until(kept, 1)
        await asyncio.wait_for(kept.kill(), 5)
        await asyncio.wait_for(task, 5)


async def test_a_worker_inherits_the_listening_socket(listener: socket.socket, tmp_path: Path) -> None:
    script = (
        "import socket, sys; s = socket.socket(fileno=int(sys.argv[sys.argv.index('--fd') + 1])); "
        "c, _ = s.accept(); c.sendall(b'hello'); c.close()"
    )
    kept, _ = workers(listener, tmp_path, script)
    with listener:
        task = asyncio.create_task(kept.keep())
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        assert await asyncio.wait_for(reader.read(), 10) == b"hello"
        writer.close()
        await kept.kill()
        task.cancel()


async def test_a_gateway_that_cannot_start_ends_the_stack(listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.workers.FIRST_WAIT", 0.01)
    kept, said = workers(listener, tmp_path, "raise SystemExit(2)")
    with listener, pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(kept.keep(), 10)
    assert "does not start (exit 2)" in str(raised.value.exceptions[0])
    assert len(said) == 3


async def test_a_worker_that_says_it_is_hopeless_is_not_started_again(listener: socket.socket, tmp_path: Path) -> None:
    kept, said = workers(listener, tmp_path, f"raise SystemExit({HOPELESS})")
    with listener, pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(kept.keep(), 10)
    assert "does not start" in str(raised.value.exceptions[0])
    assert said == []
