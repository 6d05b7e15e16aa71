"""Where figures come from: machine, versions, revision, date; what a reader needs to doubt or to repeat them."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = re.compile(r"(^|[\s='\"]|unix:)/(?:[^\s/'\"]+/)+([^\s/'\"]*)")  # of an absolute path, not of a URL


def provenance(packages: tuple[str, ...]) -> dict[str, Any]:
    """The machine and the versions of `packages` in this environment."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: version for name in packages if (version := version_of(name))},
        "revision": revision(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def version_of(package: str, python: str = sys.executable) -> str | None:
    """The version installed in this environment, or in the one of another `python`."""
    if python != sys.executable:
        code = f"from importlib.metadata import version; print(version({package!r}))"
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
        return done.stdout.strip() or None
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def revision() -> str | None:
    """The commit, with a + when the working tree has changes."""
    run = ["git", "-C", str(ROOT)]
    head = subprocess.run([*run, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    dirty = subprocess.run([*run, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False).stdout.strip()
    return (head + ("+" if dirty else "")) or None


def gpus() -> list[dict[str, Any]]:
    """Name, memory and driver of each NVIDIA GPU; none where nvidia-smi is missing or fails."""
    ask = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return gpus_of(done.stdout) if done.returncode == 0 else []


def gpus_of(table: str) -> list[dict[str, Any]]:
    """nvidia-smi's lines of `name, MiB, driver`; memory is None where it reports none ("[N/A]")."""
    rows = [[cell.strip() for cell in line.split(",")] for line in table.splitlines() if line.count(",") == 2]
    return [{"name": name, "memory_bytes": int(mib) << 20 if mib.isdigit() else None, "driver": driver} for name, mib, driver in rows]


def shown(command: str) -> str:
    """A command without the folders of this machine: this project's fall away, of every other absolute path its last name stays."""
    command = command.replace(sys.executable, "python").replace(str(ROOT) + "/", "")
    return FOLDERS.sub(r"\1\2", command)


def result_file(benchmark: str) -> Path:
    """Where a run of today is kept: benchmarks/results/BENCHMARK/DATE.json."""
    return ROOT / "benchmarks/results" / benchmark / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}.json"


def keep(report: dict[str, Any], out: Path | None, benchmark: str, part: str, *, as_json: bool) -> Path:
    """Write a report to `out`, or to benchmarks/results/BENCHMARK/DATE-PART.json; print it too where programs want it."""
    dated = result_file(benchmark)
    file = out or dated.with_name(f"{dated.stem}-{part}.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report, indent=1) + "\n")
    if as_json:
        print(json.dumps(report))
    return file
