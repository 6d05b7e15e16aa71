"""The gateways that ours is measured beside, each in an environment of its own under .tools: python -m benchmarks.peers"""

from __future__ import annotations

import shlex
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.provenance import ROOT, version_of

PACKAGE, VERSION = "vllm-router", "0.1.17"
FOLDER = ROOT / ".tools" / PACKAGE
FLAGS = "--worker-urls {upstream} --port {port} --prometheus-port {free}"


def install(folder: Path = FOLDER) -> None:
    """vllm-router (Rust) from the package index, unless it is there. Raises CalledProcessError."""
    python = folder / "bin/python"
    if python.exists() and version_of(PACKAGE, str(python)) == VERSION:
        return
    venv.create(folder, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"{PACKAGE}=={VERSION}"], check=True)


def commands(folder: Path = FOLDER) -> list[str]:
    """NAME=COMMAND of each installed peer.

    As it comes (policy cache_aware), vllm-router first sends each prompt to the engine's /v1/chat/completions/render,
    two requests for one; with round_robin it only forwards, as ours does. Both are measured; round_robin is the bar.
    """
    router = folder / "bin" / PACKAGE
    if not router.exists():
        return []
    command = f"{shlex.quote(str(router))} {FLAGS}"
    return [f"{PACKAGE} round_robin={command} --policy round_robin", f"{PACKAGE} cache_aware={command}"]


if __name__ == "__main__":
    try:
        install()
    except subprocess.CalledProcessError as error:
        sys.exit(f"could not install {PACKAGE}=={VERSION} into {FOLDER}: {error}; name one with --peer NAME=COMMAND")
    print("\n".join(commands()))
