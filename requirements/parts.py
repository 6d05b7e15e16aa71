"""A bundle's folder: one tar stream cut in parts of a size, manifest.json, install.py, README.txt, SHA256SUMS (written last)."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

SUMS = "SHA256SUMS"
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 1 << 10, "MI": 1 << 20, "GI": 1 << 30}


class PartError(Exception):
    """Says what was wrong and what to type next."""


def parse_size(text: str) -> int:
    """`2GiB`, `700M`, `4.3GB` as bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]I?)?B?", text.strip().upper())
    size = int(float(match[1]) * UNITS[match[2] or ""]) if match else 0
    if size < 1000:
        raise PartError(f"PART={text}: a size such as 2GiB or 700MB is meant")
    return size


def human(size: int) -> str:
    """Bytes as people say them, in powers of 1000 as disks are sold."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


class Splitter(io.RawIOBase):
    """What is written goes to NAME.part001, NAME.part002, ... of `size` bytes; `parts` says name, bytes and SHA-256 of each."""

    def __init__(self, folder: Path, name: str, size: int) -> None:
        self.folder, self.name, self.size = folder, name, size
        self.parts: list[dict[str, Any]] = []
        self._next()

    def _next(self) -> None:
        self.file = self.folder / f"{self.name}.part{len(self.parts) + 1:03d}"
        self.aside = self.file.with_name(f"{self.file.name}.unfinished")
        self.opened = self.aside.open("wb")
        self.written = 0
        self.hash = hashlib.sha256()

    def _done(self) -> None:
        self.opened.close()
        self.aside.replace(self.file)
        self.parts.append({"name": self.file.name, "bytes": self.written, "sha256": self.hash.hexdigest()})

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def]  # any buffer
        view = memoryview(data)
        while len(view):
            if self.written == self.size:
                self._done()
                self._next()
            piece = view[: self.size - self.written]
            self.opened.write(piece)
            self.hash.update(piece)
            self.written += len(piece)
            view = view[len(piece) :]
        return memoryview(data).nbytes

    def finish(self) -> None:
        self._done()


def older(folder: Path) -> list[Path]:
    """The files of an older bundle in `folder`. Raises PartError where it holds other things."""
    ours = re.compile(r"sllm-.*\.part\d{3,}(\.unfinished)?|manifest\.json|install\.py|README\.txt|SHA256SUMS|__pycache__")
    found = list(folder.iterdir()) if folder.exists() else []
    other = [path.name for path in found if not ours.fullmatch(path.name)]
    if other:
        raise PartError(f"{folder} holds other things ({', '.join(sorted(other)[:3])}): give an empty folder, OUT=...")
    return sorted(found, key=lambda path: path.name != SUMS)


def clear(folder: Path) -> None:
    """Make `folder`, or remove the older bundle in it, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in older(folder):  # the sums first: without them it is no bundle
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def write(folder: Path, manifest: dict[str, Any], members: dict[str, Path], size: int, installer: Path) -> None:
    """`members`: path in the stream -> file. The list of parts is added to `manifest`."""
    stream = Splitter(folder, manifest["name"], size)
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as archive:
        for path, file in members.items():
            entry = tarfile.TarInfo(path)  # no owner, no date: the same files give the same parts
            entry.size = file.stat().st_size
            with file.open("rb") as opened:
                archive.addfile(entry, opened)
    stream.finish()
    manifest["parts"] = stream.parts
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    shutil.copyfile(installer, folder / "install.py")
    (folder / "README.txt").write_text(readme(manifest))
    sums = {part["name"]: part["sha256"] for part in manifest["parts"]}
    for name in ("manifest.json", "install.py", "README.txt"):
        sums[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))


def readme(manifest: dict[str, Any]) -> str:
    total = sum(part["bytes"] for part in manifest["parts"])
    driver = ", the NVIDIA driver" if manifest["engine"] == "cuda" else ""
    start = "gateway --upstream http://HOST:PORT" if manifest["engine"] == "none" else "serve"
    packages = " ".join(manifest["system_packages"]) or "none"
    return f"""sLLM Stack for a machine without a network
==========================================

engine {manifest["engine"]}, Python {manifest["python"]}, {manifest["architecture"]}, C library (glibc) {manifest["glibc"]} or newer
made {manifest["date"]} from commit {manifest["commit"]}
{len(manifest["parts"])} parts, {human(total)}; installed it takes {human(manifest["installed_bytes"])}

On the closed machine, in this folder:

    python{manifest["python"]} install.py --check        are all parts here and whole?
    python{manifest["python"]} install.py --to ~/sllm    check, unpack, install; the same command goes on after a break
    ~/sllm/.venv/bin/sllm doctor
    ~/sllm/.venv/bin/sllm {start}

Several sticks: copy the parts of all into one folder first, with the files of the first stick. In a clone that is there
already: make install-bundle BUNDLE=this-folder.

Not in here, from the machine itself: Python {manifest["python"]}{driver}; system packages, by Debian's names: {packages}.
Model weights are carried as folders of their own.

`sha256sum -c {SUMS}` checks the files too. More: docs/closed-network.md.
"""
