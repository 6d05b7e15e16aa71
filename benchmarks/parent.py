"""Processes of ours: they find these modules, do not outlive the one that started them, and their orphans are not lost sight of."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

from benchmarks.provenance import ROOT

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def module(name: str, *words: str) -> list[str]:
    """The command line of a module of this project, wherever it is started from. -P: what lies in the current folder is not meant."""
    return [sys.executable, "-P", "-m", name, *words]


def environment() -> dict[str, str]:
    """Ours, and this project's folder before what is installed: other distributions install a folder `benchmarks` as well."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}


def die_with_parent(parent: int) -> Callable[[], None]:
    """For Popen's preexec_fn: the kernel sends the child SIGTERM when the thread that started it is gone. `parent`: os.getpid()."""
    libc = ctypes.CDLL(None, use_errno=True)

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it went before we asked
            os._exit(1)

    return in_child


def adopt_orphans() -> None:
    """From now on, processes below this one whose parent is gone become its children: they can be seen, waited for and ended."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
