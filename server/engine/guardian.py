"""A small process between the supervisor and one engine, which ends the whole engine tree when the supervisor goes away.

vLLM starts processes of its own, and they outlive a SIGKILL of its API server. So the guardian makes itself their
subreaper: a process whose parent dies becomes the guardian's child, and none can get away.

    python guardian.py PROGRAM ARGUMENT...      (by its path and with -I: only the standard library, up in 30 ms)

Orders come on stdin: `term` asks the engine to end, `kill` ends the tree, and the end of the file (the supervisor is
gone, however it went) ends the tree as well. Reports go to stdout: `pid N` and `exit STATUS`, STATUS as
subprocess counts it: negative for a signal. The engine's own output goes where the guardian's stderr goes.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)


def main(argv: list[str]) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    wake_in, wake_out = os.pipe()
    os.set_blocking(wake_out, False)
    signal.set_wakeup_fd(wake_out)
    signal.signal(signal.SIGCHLD, lambda *_: None)

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for number in IGNORED:
            signal.signal(number, signal.SIG_DFL)

    try:
        engine = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=2, start_new_session=True, preexec_fn=in_child)
    except OSError as error:
        print(f"cannot start {argv[0]}: {error}", file=sys.stderr)
        return report("exit 127")
    report(f"pid {engine.pid}")
    status = watch(engine.pid, wake_in)
    end_tree()
    return report(f"exit {status}")


def watch(engine: int, wake: int) -> int:
    """Obey orders until the engine has ended; its exit status."""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, 512)
            status = reap(engine)
            if status is not None:
                return status
        if 0 in ready:
            try:
                orders = os.read(0, 512)
            except OSError:  # the other end was reset
                orders = b""
            if b"term" in orders:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(engine, signal.SIGTERM)
            if b"kill" in orders or not orders:
                return end_tree(engine)


def reap(engine: int) -> int | None:
    """Take in every child that has ended; the engine's exit status when it is among them."""
    found: int | None = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == engine:
            found = os.waitstatus_to_exitcode(status)


def end_tree(engine: int = 0) -> int:
    """SIGKILL every descendant, again and again until none is left: a process may fork while we look."""
    status = -signal.SIGKILL
    while left := descendants(os.getpid()):
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended = reap(engine)
        status = ended if ended is not None else status
        time.sleep(0.01)
    return status


def descendants(root: int) -> list[int]:
    """Pids of every process below `root`, dead ones that wait for their parent included."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{name}/stat", "rb") as stat:
                parent = int(stat.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def report(line: str) -> int:
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(1, f"{line}\n".encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
