"""What install.py does to the machine: virtual environments, pip, and the few system packages. Standard library only."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import sysconfig
from collections import deque
from pathlib import Path

# Where PyTorch publishes its CPU builds; asked only if pip's own sources have none. A mirror: TORCH_CPU_INDEX=...
TORCH_CPU_INDEX = os.environ.get("TORCH_CPU_INDEX", "https://download.pytorch.org/whl/cpu")


def make_venv(venv: Path, wheels: Path | None = None) -> None:
    """`wheels`: a folder that holds pip itself (bundle.txt), for machines where nothing may be fetched."""
    if wheels:
        return make_closed_venv(venv, wheels)
    if (venv / "bin" / "python").exists():
        return
    say(f"making {venv.name} with Python {sys.version.split()[0]}")
    venv.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, stdout=subprocess.DEVNULL)
    except subprocess.CalledProcessError:
        shutil.rmtree(venv, ignore_errors=True)
        apt(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv", "python3-venv")
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)


def make_closed_venv(venv: Path, wheels: Path) -> None:
    """With the pip of `wheels`, run out of its wheel: needs neither a network nor Debian's python3-venv."""
    python = venv / "bin" / "python"
    if python.exists():
        asked = [str(python), "-c", "import pip, sys; print(sys.version_info[:2])"]
        have = subprocess.run(asked, capture_output=True, text=True, check=False)
        if have.stdout.strip() == str(sys.version_info[:2]):
            return
        shutil.rmtree(venv)  # half made, or of another Python
    say(f"making {venv.name} with Python {sys.version.split()[0]}")
    venv.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    pip_wheel = next(wheels.glob("pip-*.whl"))
    lock = Path(__file__).with_name("bundle.txt")
    subprocess.run([str(python), str(pip_wheel / "pip"), "-q", "install", "--no-deps", "--no-compile", "-r", str(lock)], check=True)


def close(wheels: Path) -> None:
    """From here on pip takes files from `wheels` and asks nobody, whatever this machine's settings for pip are."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        del os.environ[name]
    os.environ.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels), PIP_CONFIG_FILE=os.devnull, PIP_DISABLE_PIP_VERSION_CHECK="1")


def libraries(engine: str, *, build: bool, closed: bool = False) -> None:
    """The CPU engine is linked against libnuma, which slim images leave out; `build` says that C is compiled (pypcre, for
    gptqmodel), against Python's headers and libpcre2. `closed`: nothing can be fetched, and all is built already."""
    missing = [packages for library, packages in shared_libraries(engine, build=build).items() if not loads(library)]
    if build and not closed:
        if not (shutil.which("cc") or shutil.which("gcc")):
            missing.append(["gcc"])
        if not Path(sysconfig.get_path("include"), "Python.h").exists():
            missing.append([f"python{sys.version_info[0]}.{sys.version_info[1]}-dev", "python3-dev"])
    if closed and missing:
        names = " ".join(packages[0] for packages in missing)
        raise SystemExit(fail(f"system packages are missing: {names} (Debian's and Ubuntu's names). {FROM_A_MIRROR}"))
    for packages in missing:
        apt(*packages)


FROM_A_MIRROR = "Install them from your distribution's mirror or its DVD, then run the same command again: it goes on where it was."


def shared_libraries(engine: str, *, build: bool) -> dict[str, list[str]]:
    """Library -> the system packages that have it, by Debian's and Ubuntu's names."""
    found = {"libnuma.so.1": ["libnuma1"]} if engine == "cpu" else {}
    return found | ({"libpcre2-8.so.0": ["libpcre2-8-0"]} if build else {})


def store_server(*, closed: bool) -> None:
    """The server that the tests of the cache's stores start: Valkey, or Redis where the system has no Valkey."""
    if shutil.which("valkey-server") or shutil.which("redis-server"):
        return
    if closed:
        say("the tests of the cache's stores need the system package valkey-server or redis-server: not here")
    else:
        apt("valkey-server", "redis-server")


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def install_torch_cpu(venv: Path, lock: Path) -> None:
    """From pip's own sources (an index of yours, a folder of wheels), else from PyTorch's index of CPU builds."""
    arguments = ["install", "--no-deps", "-r", str(lock)]
    command = [str(venv / "bin" / "python"), "-m", "pip", "-qq", *arguments]
    say("installing torch (CPU build)")
    if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode:
        pip(venv, f"not among pip's own sources; asking {TORCH_CPU_INDEX}", *arguments, "-i", TORCH_CPU_INDEX)


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


def pip(venv: Path, what: str, *args: str) -> None:
    """Say `what`, run pip; of what pip says, only retries and errors are shown as they come, and its end where it fails.

    On a terminal the line tells which package is being fetched, since a large one takes minutes.
    """
    if what:
        say(what)
    live = what and sys.stdout.isatty()
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONUNBUFFERED": "1"}
    command = [str(venv / "bin" / "python"), "-m", "pip", *args]
    last: deque[str] = deque(maxlen=40)
    fetched = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Requirement already satisfied"):
                continue
            last.append(line)
            if line.startswith("WARNING: Retrying"):
                print(line, end="", file=sys.stderr, flush=True)
            fetched += line.startswith("Collecting")
            if live:
                print(f"\r\x1b[2K  {progress(line, fetched)}", end="", flush=True)
    if live:
        print("\r\x1b[2K", end="", flush=True)
    if process.returncode:
        print("".join(last), end="", file=sys.stderr)
        raise subprocess.CalledProcessError(process.returncode, command)


def progress(line: str, fetched: int) -> str:
    """What pip is at, in one short line."""
    if line.startswith("Installing collected"):
        return f"unpacking {fetched} packages"
    words = line.split()
    name = words[1] if len(words) > 1 and words[0] in {"Collecting", "Downloading"} else ""
    return f"{fetched} packages {Path(name).name}"[:78]


def say(text: str) -> None:
    print(f"sllm: {text}", flush=True)


def fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 1
