"""Find the facts of this machine. Each function looks at one thing and never raises."""

from __future__ import annotations

import csv
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from server.doctor.facts import GPU, Facts, Hub
from server.engine.machine import available_memory, cpus, installed
from server.rundir import url
from server.settings import DEMO_MODEL, ROOT, Settings
from server.terminal.ask import get


def gather(settings: Settings, environ: Mapping[str, str] = os.environ) -> Facts:
    """All facts, in about a second; the hub is given three."""
    driver, driver_error, gpus = nvidia()
    engine, gateway = installed(), settings.gateway
    lock = f"requirements/engine-{'cuda' if engine and engine[0] == 'vllm' else 'cpu'}.txt" if engine else "requirements/gateway.txt"
    port_error = port_taken(gateway.host, gateway.port)
    cache = Path(environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    return Facts(
        python=sys.version_info[:3],
        python_headers=Path(sysconfig.get_paths()["include"], "Python.h").is_file(),
        system=platform.system(),
        arch=platform.machine(),
        cpus=cpus(),
        cpu_flags=cpu_flags(),
        memory=available_memory(),
        shm=disk(Path("/dev/shm")).total if Path("/dev/shm").is_dir() else None,
        compiler=next(filter(None, map(shutil.which, (environ.get("CXX") or "g++", environ.get("CC") or "gcc"))), None),
        encoding=sys.stdout.encoding,
        driver=driver,
        driver_error=driver_error,
        gpus=gpus,
        engine=engine,
        torch=version("torch"),
        torch_cuda=built_for("torch"),
        torchvision=version("torchvision"),
        torchvision_cuda=built_for("torchvision"),
        installed={d.name.lower().replace("_", "-"): d.version for d in metadata.distributions()},
        locked=locked(ROOT / lock),
        lock=lock,
        host=gateway.host,
        port=gateway.port,
        port_error=port_error,
        port_serves=bool(port_error) and serves(url(gateway.host, gateway.port)),
        data_dir=gateway.data_dir,
        data_dir_error=writable(gateway.data_dir),
        disk_free=disk(gateway.data_dir).free,
        hub_cache=cache,
        hub_cache_free=disk(cache).free,
        hub=hub(environ),
        demo=(ROOT / DEMO_MODEL / "config.json").is_file(),
    )


def nvidia() -> tuple[str | None, str | None, tuple[GPU, ...]]:
    """Driver version, why it does not answer, and the GPUs, as nvidia-smi says."""
    smi = shutil.which("nvidia-smi")
    if not smi:
        present = Path("/proc/driver/nvidia/version").is_file()
        return None, "it is loaded, but nvidia-smi is not installed" if present else None, ()
    query = [smi, "--query-gpu=driver_version,name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error), ()
    if done.returncode != 0:
        return None, (done.stdout + done.stderr).strip().splitlines()[0] if done.stdout + done.stderr else "nvidia-smi failed", ()
    return read_nvidia_smi(done.stdout)


def read_nvidia_smi(text: str) -> tuple[str | None, str | None, tuple[GPU, ...]]:
    """nvidia-smi's lines `driver, name, total MiB, free MiB`. A GPU that shares the machine's memory says [N/A]: 0."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if len(row) == 4]
    sizes = [[int(cell) * 2**20 if cell.isdigit() else 0 for cell in row[2:]] for row in rows]
    gpus = tuple(GPU(row[1], total, free) for row, (total, free) in zip(rows, sizes, strict=True))
    return (rows[0][0] if rows else None), None, gpus


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    try:
        found = re.search(r"^(?:flags|Features)\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)
    except OSError:
        return frozenset()
    return frozenset(found[1].split()) if found else frozenset()


def version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def built_for(package: str) -> str | None:
    """The CUDA version in the package's version.py, read without importing it."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        try:
            found = re.search(r"^cuda\b.*=\s*'([^']+)'", Path(folder, "version.py").read_text(), re.MULTILINE)
        except OSError:
            continue
        return found[1] if found else None
    return None


def locked(lock: Path) -> dict[str, str]:
    """`name==version` lines of a lock file; those that only some machines need are left out."""
    try:
        lines = lock.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(" \\")[0].split("==", 1) for line in lines if "==" in line and ";" not in line and line[0] not in " #-")
    return {name.strip().lower(): number.strip() for name, number in pairs}


def port_taken(host: str, port: int) -> str | None:
    """Why the port cannot be listened on, or None."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.strerror or str(error)
    return None


def serves(base: str) -> bool:
    try:
        return "data" in (get(base, "/v1/models", timeout=2)[1] or {})
    except OSError:
        return False


def writable(folder: Path) -> str | None:
    """Why nothing can be written in `folder` (or in its nearest parent that exists), or None."""
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return None
    except OSError as error:
        return error.strerror or str(error)


def disk(folder: Path) -> shutil._ntuple_diskusage:
    return shutil.disk_usage(_existing(folder))


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def hub(environ: Mapping[str, str], timeout: float = 3.0) -> Hub:
    """Whether the hub answers within `timeout` seconds, name look-up included."""
    endpoint = (environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    if environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return Hub(endpoint, offline=True)
    errors: list[str] = [f"nothing within {timeout:.0f} s"]
    asking = threading.Thread(target=lambda: errors.append(_ask(endpoint, timeout)), daemon=True)
    asking.start()
    asking.join(timeout)
    return Hub(endpoint, error=errors[-1] or None, token=_has_token())


def _ask(endpoint: str, timeout: float) -> str:
    """Why the endpoint does not answer, or nothing. Through the proxy that is set, as the download would go."""
    import urllib.error
    import urllib.request

    try:
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/api/models?limit=1", method="HEAD"), timeout=timeout).close()
    except urllib.error.HTTPError as error:
        return "" if error.code < 500 else f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return str(getattr(reason, "strerror", None) or reason)
    return ""


def _has_token() -> bool:
    from huggingface_hub import get_token

    return bool(get_token())
