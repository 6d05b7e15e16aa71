"""A small process that runs what a quantization needs, and cleans up when the command goes away, however it goes.

    python -I -S janitor.py SOCKET FOLDER GRACE      (by its path: only the standard library, up in 30 ms)

SOCKET is the descriptor of a Unix socket of packets. An order is {"words": [...], "cwd": ...}, a program and the folder that it
works in, sent together with the two descriptors of its stdout and stderr; the report is {"pid": N}, then {"exit": STATUS},
STATUS as subprocess counts it: negative for a signal. When a program ends, what it has started ends too.

The end of the socket (the command is done, or a SIGKILL took it) ends every process below and removes FOLDER, which is where
the unfinished checkpoint lies. Finished ones were renamed out of it. Processes are asked to end, and killed after GRACE seconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)
GRACE = 10.0  # seconds that programs get to end by themselves: a stack under test stops its engine and removes its sockets
LARGEST = 2**16  # bytes of an order


class Janitor:
    def __init__(self, orders: socket.socket, grace: float):
        self.orders, self.grace = orders, grace
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # a process whose parent dies becomes ours: none gets away
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        self.wake, wake_out = os.pipe()
        os.set_blocking(wake_out, False)
        signal.set_wakeup_fd(wake_out)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.program = 0

    def obey(self) -> None:
        """Start what is ordered and report its end, until the other end of the socket is closed."""
        while True:
            ready, _, _ = select.select([self.orders.fileno(), self.wake], [], [])
            if self.wake in ready:
                os.read(self.wake, 512)
                status = reap(self.program)
                if status is not None:
                    self.program = 0
                    end_tree(self.grace)
                    self.report({"exit": status})
            if self.orders.fileno() in ready:
                try:
                    order, outputs, _, _ = socket.recv_fds(self.orders, LARGEST, 2)
                except OSError:  # the other end was reset
                    return
                if not order:
                    return
                self.start(**json.loads(order), stdout=outputs[0], stderr=outputs[1])

    def start(self, words: list[str], cwd: str, stdout: int, stderr: int) -> None:
        try:
            started = subprocess.Popen(
                words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True, preexec_fn=self.in_child
            )
        except OSError as error:
            os.write(stderr, f"cannot start {words[0]}: {error}\n".encode())
            self.report({"exit": 127})
        else:
            self.program = started.pid
            started.returncode = 0  # we wait for it ourselves
            self.report({"pid": started.pid})
        finally:
            os.close(stdout)
            os.close(stderr)

    def in_child(self) -> None:
        self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for number in IGNORED:
            signal.signal(number, signal.SIG_DFL)

    def report(self, what: dict[str, int]) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more
            self.orders.send(json.dumps(what).encode())


def reap(program: int = 0) -> int | None:
    """Take in every child that has ended; the exit status of `program` when it is among them."""
    found: int | None = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == program:
            found = os.waitstatus_to_exitcode(status)


def end_tree(grace: float) -> None:
    """Ask every descendant to end, and after `grace` seconds kill them, again and again until none is left."""
    began, asked = time.monotonic(), set[int]()
    while left := descendants(os.getpid()):
        late = time.monotonic() - began > grace
        for pid in left:
            if late or pid not in asked:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        asked |= set(left)
        reap()
        time.sleep(0.01)


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


def main(argv: list[str]) -> int:
    orders, folder, grace = socket.socket(fileno=int(argv[0])), argv[1], float(argv[2])
    Janitor(orders, grace).obey()
    end_tree(grace)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
