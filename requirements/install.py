"""Make `.venv` hold what the locks say: the gateway and the engine; with --dev also what tests and checks need, with --quantize
what quantizing needs, with --ray what batches on a Ray cluster need. Two tools cannot share it and get environments of their
own: llm-compressor (.tools/llm-compressor, with --quantize) and lm-evaluation-harness (.tools/harness, with --harness).

Standard library only, since it runs before anything is installed. Run again, it compares stamps and does nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import system
from system import fail, pip, say

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
STAMP = "sllm-installed.json"
ALSO = ("semantic", "valkey", "nemo")  # optional parts that are installed on top of the engine


@dataclass(frozen=True)
class Environment:
    """One folder with a Python of its own. `engine` says whose torch is in it: cpu, cuda or none."""

    folder: Path
    engine: str
    locks: list[str]
    editable: bool = False  # whether this project is installed in it as well

    @property
    def torch_cpu(self) -> bool:
        return self.engine == "cpu"

    def digests(self) -> dict[str, str]:
        names = [*self.locks, "install.py", "system.py", *(["torch-cpu.txt"] if self.torch_cpu else [])]
        paths = {name: HERE / name for name in names}
        if self.editable:
            paths["pyproject.toml"] = ROOT / "pyproject.toml"
        found = {name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for name, path in paths.items()}
        return found | {"root": str(ROOT), "python": sys.version.split()[0]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("--engine", choices=["auto", "cuda", "cpu", "none"], default="auto")
    parser.add_argument("--dev", action="store_true", help="also what tests and checks need")
    parser.add_argument("--quantize", action="store_true", help="also what `sllm quantize` needs, llm-compressor included")
    parser.add_argument("--ray", action="store_true", help="also Ray, for `sllm batch --ray`")
    parser.add_argument("--harness", action="store_true", help="also lm-evaluation-harness, for `sllm evaluate --harness`")
    parser.add_argument("--also", nargs="*", default=[], choices=ALSO, help="also what these optional parts need")
    parser.add_argument("--wheels", type=Path, help="install from this folder alone and fetch nothing (see unbundle.py)")
    args = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 - the user's Python is what is being checked
        return fail(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: make PYTHON=python3.11 ...")
    engine = pick(args.engine, args.venv)
    if (args.quantize or args.ray) and engine == "none":
        return fail("--quantize and --ray need an engine: --engine cpu or --engine cuda")
    extras = [name for name in ("dev", "quantize", "ray", "harness") if getattr(args, name)] + args.also
    if args.wheels:
        system.close(args.wheels.resolve())
    from_bundle = bool(read(args.venv / STAMP).get("bundle"))
    try:
        for environment in wanted(args.venv, engine, extras):
            install(environment, args.wheels)
    except subprocess.CalledProcessError as error:
        if from_bundle and not args.wheels:
            return fail(f"pip ended with {error.returncode}. {args.venv.name} came from a bundle that has not all of this: carry a new one")
        return fail(f"pip ended with {error.returncode}; what is above says why. Run the same command again to go on.")
    return 0


def pick(engine: str, venv: Path) -> str:
    """What a bundle installed in `venv`, else `cuda` where an NVIDIA driver answers, else `cpu`."""
    if engine != "auto":
        return engine
    have = read(venv / STAMP)
    if have.get("bundle"):
        return str(have["engine"])
    smi = shutil.which("nvidia-smi")
    if smi and subprocess.run([smi, "-L"], capture_output=True, timeout=30, check=False).returncode == 0:
        return "cuda"
    return "cpu"


def wanted(venv: Path, engine: str, extras: list[str]) -> list[Environment]:
    """`extras`: dev, quantize, ray, harness, and names of ALSO."""
    locks = [f"engine-{engine}.txt" if engine != "none" else "gateway.txt"]
    if "quantize" in extras:
        locks.append("quantize.txt" if engine == "cpu" else "quantize-cuda.txt")
    if "ray" in extras:
        locks.append("ray.txt" if engine == "cpu" else "ray-cuda.txt")
    locks += [f"{name}.txt" for name in ("dev", *ALSO) if name in extras]
    found = [Environment(venv, engine, locks, editable=True)]
    tools = ROOT / ".tools"
    if "quantize" in extras:
        lock = "llm-compressor.txt" if engine == "cpu" else "llm-compressor-cuda.txt"
        found.append(Environment(tools / "llm-compressor", engine, [lock]))
    if "harness" in extras:
        found.append(Environment(tools / "harness", "none", ["harness.txt"]))
    return found


def install(environment: Environment, wheels: Path | None = None) -> None:
    """Does nothing where the stamp says that all is there. Raises CalledProcessError when pip fails.

    `wheels`: the folder that all comes from, on a machine without a network.
    """
    folder, engine, locks = environment.folder, environment.engine, environment.digests()
    stamp = folder / STAMP
    have = read(stamp)
    if have.get("bundle") and not wheels:
        locks["python"] = have["locks"]["python"]  # the bundle's; what starts this here may be another
    if have.get("engine") == engine and all(have["locks"].get(name) == digest for name, digest in locks.items()):
        return
    started = time.monotonic()
    if have and {engine, have.get("engine")} == {"cpu", "cuda"}:
        say(f"{folder.name} holds the {have['engine']} engine; making it anew for {engine}")
        shutil.rmtree(folder)
        have = {}
    system.libraries(engine, build=any(name.startswith("quantize") for name in environment.locks), closed=bool(wheels))
    system.make_venv(folder, wheels)
    if "dev.txt" in environment.locks:
        system.store_server(closed=bool(wheels))
    if environment.torch_cpu:
        system.install_torch_cpu(folder, HERE / "torch-cpu.txt")
    # gptqmodel and a few small ones are published as source only: built with the setuptools of the engine's lock, so that no
    # build tools are fetched for each (and PyTorch not at all).
    build = ["--no-build-isolation"] if environment.editable else []
    for lock in environment.locks:
        pip(folder, f"installing {lock}", "install", "--no-deps", *build, "-r", str(HERE / lock))
    if environment.editable:
        pip(folder, "", "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    if have.get("engine") == engine:
        locks = {**have["locks"], **locks}
    stamp.write_text(json.dumps({"engine": engine, "locks": locks} | ({"bundle": True} if wheels else {}), indent=1))
    say(f"{folder.name} is installed, {time.monotonic() - started:.0f} s")


def read(stamp: Path) -> dict:
    try:
        return json.loads(stamp.read_text())
    except (FileNotFoundError, ValueError):
        return {}


if __name__ == "__main__":
    sys.exit(main())
