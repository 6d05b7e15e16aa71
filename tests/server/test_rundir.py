import os
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from server import rundir
from server.errors import DiskFull, PortTaken, StartError
from server.settings import ROOT


def test_a_free_port_is_taken_for_port_zero() -> None:
    with rundir.listen("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0
        assert listener.get_inheritable()


def test_localhost_is_what_clients_take_it_for() -> None:
    with rundir.listen("localhost", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_names_it_and_the_flag() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"port {port} is taken: .*--port"):
            rundir.listen("127.0.0.1", port)


def test_an_address_of_somewhere_else_is_refused() -> None:
    with pytest.raises(StartError, match="--host"):
        rundir.listen("203.0.113.7", 0)
    with pytest.raises(StartError, match="--host"):
        rundir.listen("no.such.host.invalid", 0)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("box", "http://box:80"),
    ],
)
def test_the_shown_address_can_be_called(host: str, url: str) -> None:
    assert rundir.url(host, 80) == url


def test_the_private_folder_is_ours_alone_short_and_gone_afterwards() -> None:
    with rundir.private() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert len(str(folder / "e100.sock")) < 100
    assert not folder.exists()


def test_a_long_runtime_dir_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with rundir.private() as folder:
        assert folder.parent == Path("/tmp")


HOLDS = """
import sys, time
from server import rundir
with rundir.private() as folder:
    print(folder, flush=True)
    time.sleep(60)
"""


def test_the_left_overs_of_a_stack_go_once_it_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        other = subprocess.Popen([sys.executable, "-c", HOLDS], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        # as from another container: nobody here has the process id in its name
        elsewhere = theirs.rename(theirs.with_name("sllm-999999999-x"))
        with rundir.private():
            assert elsewhere.is_dir()
        other.kill()
        other.communicate()
        with rundir.private():
            assert not elsewhere.exists()


def test_a_run_folder_without_a_lock_goes_when_it_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        new, old, foreign = (Path(short) / name for name in ("sllm-1-x", "sllm-2-x", "sllm-notes-x"))
        for folder in (new, old, foreign):
            folder.mkdir()
        os.utime(old, (0, 0))
        os.utime(foreign, (0, 0))
        with rundir.private():
            assert (new.exists(), old.exists(), foreign.exists()) == (True, False, True)


def test_the_data_folder_is_made(tmp_path: Path) -> None:
    rundir.check_data_dir(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_data_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match=r"gateway\.data_dir"):
        rundir.check_data_dir(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("no mount here")
    try:
        with pytest.raises(DiskFull, match="MiB left"):
            rundir.check_data_dir(small)
        (small / "fill").write_bytes(bytes(64 * 1024))
        with pytest.raises(DiskFull, match="is full"):
            rundir.check_data_dir(small)
    finally:
        subprocess.run(["umount", str(small)], check=True)
