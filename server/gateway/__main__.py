"""One gateway process: `python -m server.gateway --fd FD --settings settings.json [--state state.json]`.

The supervisor binds the listening socket and passes it on, so several processes share it, and a client that
comes before they listen waits instead of being refused.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m server.gateway", description="One gateway process. `sllm serve` starts it.")
    parser.add_argument("--fd", type=int, required=True, help="A listening socket.")
    parser.add_argument("--settings", type=Path, required=True, help="The settings as JSON.")
    parser.add_argument("--state", type=Path, help="The supervisor's state file.")
    options = parser.parse_args(argv)
    parent = die_with_parent()

    from server.errors import SLLMError
    from server.settings import Settings
    from server.state import HOPELESS

    settings = Settings.model_validate_json(options.settings.read_text(encoding="utf-8"))
    if settings.gateway.workers > 1:
        share_metrics(options.state or options.settings)
    from server.gateway.app import create_app
    from server.gateway.serve import run

    try:
        run(create_app(settings, options.state), socket.socket(fileno=options.fd), parent)
    except SLLMError as error:
        print(error.message, file=sys.stderr)
        return HOPELESS
    return 0


def die_with_parent() -> int:
    """Ask the kernel (Linux) for SIGKILL when the parent ends; its pid, for the check where that is not to be had."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return parent


def share_metrics(beside: Path) -> None:
    """Make prometheus_client keep its values in files, before it is imported: any worker then tells the sum."""
    folder = Path(os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(beside.parent / "metrics")))
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("gauge_live*_*.db"):  # of workers that were killed: what they had running is over
        if not Path(f"/proc/{file.stem.rpartition('_')[2]}").exists() and Path("/proc/self").exists():
            file.unlink(missing_ok=True)


if __name__ == "__main__":
    raise SystemExit(main())
