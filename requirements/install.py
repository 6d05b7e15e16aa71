"""Make `.venv` hold what the locks say: the gateway, the engine, and with --dev what tests and checks need.

Standard library only, since it runs before anything is installed. Run again, it compares one stamp and does nothing.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Where PyTorch publishes its CPU builds; asked only if pip's own sources have none. A mirror: TORCH_CPU_INDEX=...
TORCH_CPU_INDEX = os.environ.get("TORCH_CPU_INDEX", "https://download.pytorch.org/whl/cpu")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("--engine", choices=["auto", "cuda", "cpu", "none"], default="auto")
    parser.add_argument("--dev", action="store_true", help="also what tests and checks need")
    args = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 - the user's Python is what is being checked
        return fail(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: make PYTHON=python3.11 ...")
    engine = pick(args.engine)
    locks = [f"engine-{engine}.txt" if engine != "none" else "gateway.txt", *(["dev.txt"] if args.dev else [])]
    stamp, wanted = args.venv / "sllm-installed.json", digests(engine, locks)
    have = read(stamp)
    if have.get("engine") == engine and all(have["locks"].get(name) == digest for name, digest in wanted.items()):
        return 0
    started = time.monotonic()
    if have and {engine, have.get("engine")} == {"cpu", "cuda"}:
        say(f"{args.venv.name} holds the {have['engine']} engine; making it anew for {engine}")
        shutil.rmtree(args.venv)
        have = {}
    try:
        make_venv(args.venv)
        system_libraries(engine)
        if engine == "cpu":
            install_torch_cpu(args.venv)
        for lock in locks:
            say(f"installing {lock}")
            pip(args.venv, "install", "--no-deps", "-r", str(HERE / lock))
        pip(args.venv, "install", "-qq", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    except subprocess.CalledProcessError as error:
        return fail(f"pip ended with {error.returncode}; what is above says why. Run the same command again to go on.")
    if have.get("engine") == engine:
        wanted = {**have["locks"], **wanted}
    stamp.write_text(json.dumps({"engine": engine, "locks": wanted}, indent=1))
    say(f"installed in {time.monotonic() - started:.0f} s")
    return 0


def pick(engine: str) -> str:
    """`cuda` where an NVIDIA driver answers, else `cpu`."""
    if engine != "auto":
        return engine
    smi = shutil.which("nvidia-smi")
    if smi and subprocess.run([smi, "-L"], capture_output=True, timeout=30, check=False).returncode == 0:
        return "cuda"
    return "cpu"


def digests(engine: str, locks: list[str]) -> dict[str, str]:
    names = [*locks, "install.py", *(["torch-cpu.txt"] if engine == "cpu" else [])]
    paths = {name: HERE / name for name in names} | {"pyproject.toml": ROOT / "pyproject.toml"}
    found = {name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for name, path in paths.items()}
    return found | {"root": str(ROOT), "python": sys.version.split()[0]}


def make_venv(venv: Path) -> None:
    if (venv / "bin" / "python").exists():
        return
    say(f"making {venv.name} with Python {sys.version.split()[0]}")
    try:
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, stdout=subprocess.DEVNULL)
    except subprocess.CalledProcessError:
        shutil.rmtree(venv, ignore_errors=True)
        apt(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv", "python3-venv")
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)


def system_libraries(engine: str) -> None:
    """The CPU engine is linked against libnuma, which slim images leave out."""
    if engine != "cpu":
        return
    try:
        ctypes.CDLL("libnuma.so.1")
    except OSError:
        apt("libnuma1")


def install_torch_cpu(venv: Path) -> None:
    """From pip's own sources (an index of yours, a folder of wheels), else from PyTorch's index of CPU builds."""
    say("installing torch (CPU build)")
    lock = ["install", "--no-deps", "-r", str(HERE / "torch-cpu.txt")]
    if subprocess.run([str(venv / "bin" / "python"), "-m", "pip", *lock], stderr=subprocess.DEVNULL, check=False).returncode:
        say(f"not among pip's own sources; asking {TORCH_CPU_INDEX}")
        pip(venv, *lock, "-i", TORCH_CPU_INDEX)


def apt(*packages: str) -> None:
    """Install the first of `packages` that Debian or Ubuntu knows; without the right or the tool, say what to type."""
    command = f"apt-get install {packages[0]}"
    if not shutil.which("apt-get"):
        raise SystemExit(fail(f"the system package '{packages[0]}' is missing: install it with your package manager"))
    if os.geteuid() != 0:
        raise SystemExit(fail(f"the system package '{packages[0]}' is missing: sudo {command}"))
    say(command)
    quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)
    for package in packages:
        if subprocess.run(["apt-get", "install", "-y", "-qq", package], check=False, **quiet).returncode == 0:
            return
    raise SystemExit(fail(f"{command} failed: install it by hand and run the same command again"))


def pip(venv: Path, *args: str) -> None:
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([str(venv / "bin" / "python"), "-m", "pip", *args], check=True, env=environment)


def read(stamp: Path) -> dict:
    try:
        return json.loads(stamp.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def say(text: str) -> None:
    print(f"sllm: {text}", flush=True)


def fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
