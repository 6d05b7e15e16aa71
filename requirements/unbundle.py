"""Install sLLM Stack from a bundle, with no network. Beside the parts this file is `install.py`; in a clone `make install-bundle`.

    python3.12 install.py --to ~/sllm     check the parts, unpack, install; after a break the same command goes on
    python3.12 install.py --check         are all parts here and whole?

Standard library only, and nothing newer than Python 3.7, so that an old Python can say which one is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
GB = 10**9


class UnbundleError(Exception):
    """Says what was wrong and what to do next."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", default=HERE, help="the folder of the parts (default: where this file lies)")
    parser.add_argument("--to", type=Path, help="where to install (default, in a clone: the clone)")
    parser.add_argument("--check", action="store_true", help="only check the parts")
    parser.add_argument("--keep", action="store_true", help="keep the unpacked wheels after the install")
    args = parser.parse_args()
    try:
        manifest = read_manifest(args.bundle)
        if args.check:
            check(args.bundle, manifest)
            return 0
        right_python(manifest)
        right_machine(manifest)
        install(args.bundle, manifest, *destination(args.to, manifest), keep=args.keep)
    except UnbundleError as error:
        return fail(str(error))
    except subprocess.CalledProcessError:
        return fail("the install stopped; what is above says why. The same command goes on.")
    except OSError as error:
        return fail(f"{error.strerror or error}: {error.filename or args.bundle}. The same command goes on.")
    except KeyboardInterrupt:
        return fail("interrupted. The same command goes on.")
    return 0


def read_manifest(bundle: Path) -> dict[str, Any]:
    """Raises UnbundleError where `bundle` is none, is unfinished, or its manifest is damaged."""
    file = bundle / "manifest.json"
    if not file.exists() or not (bundle / "SHA256SUMS").exists():
        raise UnbundleError(f"{bundle} is not a whole bundle: manifest.json and SHA256SUMS must be in it beside the parts")
    content = file.read_bytes()
    expected = {}
    for line in (bundle / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        expected[name] = digest
    if hashlib.sha256(content).hexdigest() != expected.get("manifest.json"):
        raise UnbundleError("manifest.json is damaged, or of another bundle than SHA256SUMS: carry both again")
    manifest: dict[str, Any] = json.loads(content)
    if (manifest.get("format"), manifest.get("version")) != ("sllm-bundle", 1):
        raise UnbundleError(f"{file} is of another format of bundles: use the install.py that came with it")
    manifest["id"] = expected["manifest.json"]
    return manifest


def right_python(manifest: dict[str, Any]) -> None:
    """Start again with the Python that the wheels are for, where this one is another. Raises UnbundleError without it."""
    wanted, this = manifest["python"], "{}.{}".format(*sys.version_info[:2])
    if wanted == this:
        return
    other = shutil.which(f"python{wanted}")
    works = other and subprocess.run([other, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    if not works or os.environ.get("SLLM_UNBUNDLE"):
        raise UnbundleError(
            f"the bundle is for Python {wanted}, this is {this}, and python{wanted} is not here: install it, or make the bundle "
            f"on the other side with PYTHON_VERSION={this}"
        )
    say(f"going on with python{wanted}, which the bundle is for")
    os.environ["SLLM_UNBUNDLE"] = wanted  # once
    os.execv(str(other), [str(other), os.path.abspath(__file__), *sys.argv[1:]])


def right_machine(manifest: dict[str, Any]) -> None:
    if sys.platform != "linux" or platform.machine() != manifest["architecture"]:
        raise UnbundleError(
            f"the bundle is for Linux on {manifest['architecture']}, this is {platform.system()} on {platform.machine()}: "
            f"make one with PLATFORM={platform.machine()}"
        )
    name, version = platform.libc_ver()
    if name != "glibc" or [int(word) for word in version.split(".")] < [int(word) for word in manifest["glibc"].split(".")]:
        raise UnbundleError(
            f"the bundle needs glibc {manifest['glibc']} or newer, this system has {name or 'another C library'} {version}: "
            f"make one with PLATFORM=manylinux_{version.replace('.', '_')}_{manifest['architecture']}, or take a newer system"
        )
    if manifest["engine"] == "cuda" and not shutil.which("nvidia-smi"):
        say("no NVIDIA driver answers here (nvidia-smi): installing all the same; serving needs the driver")
    headers = Path(sysconfig.get_path("include"), "Python.h").exists()
    if manifest["engine"] != "none" and not (headers and (shutil.which("g++") or shutil.which("gcc"))):
        names = " ".join(manifest["system_packages"])
        say(f"no compiler or no Python.h here: installing all the same; the engine compiles when it starts and needs {names}")


def destination(to: Path | None, manifest: dict[str, Any]) -> tuple[Path, bool]:
    """The folder to install in, and whether it is a clone, whose source stays as it is. Raises UnbundleError where it cannot be."""
    clone = HERE.parent
    if to is None:
        if not (clone / "requirements" / "install.py").exists():
            raise UnbundleError("where to? --to FOLDER, for example --to ~/sllm")
        if (clone / ".tools" / "bundle" / "source.txt").exists():
            return clone, False  # an older bundle's folder
        different = [name for name, digest in manifest["locks"].items() if sha256(clone / "requirements" / name) != digest]
        if different:
            raise UnbundleError(
                f"this clone asks for other versions than the bundle has ({', '.join(different)}): check out "
                f"{manifest['commit'][:12]}, or unpack the bundle's own source with --to FOLDER"
            )
        return clone, True
    folder = to.expanduser().resolve()
    if (folder / ".git").exists():
        raise UnbundleError(f"{folder} is a git clone: make install-bundle BUNDLE=... there keeps its source, or --to another folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / ".tools" / "bundle").is_dir():
        raise UnbundleError(f"{folder} is not empty and nothing that a bundle was installed in: --to another folder")
    return folder, False


def install(bundle: Path, manifest: dict[str, Any], folder: Path, clone: bool, keep: bool) -> None:
    unpacked = folder / ".tools" / "bundle" / "unpacked"
    done = folder / ".tools" / "bundle" / "installed"
    stamp = folder / ".venv" / "sllm-installed.json"
    if done.exists() and done.read_text() == manifest["id"] and stamp.exists():
        say(f"{folder} is installed from this bundle already. Start: {start(folder, manifest)}")
        return
    missing = [file for file in manifest["files"] if not whole(unpacked / file["path"], file)]
    room(folder, sum(file["bytes"] for file in missing) + manifest["installed_bytes"])
    if missing:
        check(bundle, manifest)
        unpack(bundle, manifest, unpacked)
    if not clone:
        unpack_source(unpacked / "source.tar", folder)
    command = [sys.executable, str(folder / "requirements" / "install.py"), "--venv", str(folder / ".venv")]
    command += ["--engine", manifest["engine"], "--wheels", str(unpacked / "wheels")]
    flags = [name for name in manifest["extras"] if name in ("dev", "quantize", "ray", "harness")]
    also = [name for name in manifest["extras"] if name not in flags]
    subprocess.run([*command, *[f"--{name}" for name in flags], *(["--also", *also] if also else [])], check=True)
    done.write_text(manifest["id"])
    if not keep:
        shutil.rmtree(unpacked)
    say(f"installed in {folder}, with nothing fetched. Start: {start(folder, manifest)}")


def start(folder: Path, manifest: dict[str, Any]) -> str:
    """What to type next."""
    sllm = folder / ".venv" / "bin" / "sllm"
    return f"{sllm} gateway --upstream http://HOST:PORT" if manifest["engine"] == "none" else f"{sllm} doctor, then {sllm} serve"


def room(folder: Path, needed: int) -> None:
    existing = next(path for path in [folder, *folder.parents] if path.exists())
    free = shutil.disk_usage(str(existing)).free
    say(f"{needed / GB:.1f} GB are needed in {existing}, {free / GB:.1f} GB are free")
    if free < needed:
        raise UnbundleError(f"{(needed - free) / GB:.1f} GB more are needed in {existing}: make room, or --to a larger disk")


def check(bundle: Path, manifest: dict[str, Any]) -> None:
    """Raises UnbundleError that names every part that is missing or damaged."""
    wrong = []
    total = len(manifest["parts"])
    for number, part in enumerate(manifest["parts"], 1):
        progress(f"checking part {number} of {total}")
        file = bundle / part["name"]
        if not file.exists():
            wrong.append(f"{part['name']} is missing")
        elif file.stat().st_size != part["bytes"]:
            wrong.append(f"{part['name']} has {file.stat().st_size} bytes of {part['bytes']}")
        else:
            digest = sha256(file)
            if digest != part["sha256"]:
                wrong.append(f"{part['name']} is damaged: expected sha256 {part['sha256'][:16]}..., found {digest[:16]}...")
    progress("")
    if wrong:
        raise UnbundleError(
            "{} of {} parts cannot be used:\n  {}\ncarry these again into {}, then type the same command".format(
                len(wrong), total, "\n  ".join(wrong), bundle
            )
        )
    say(f"all {total} parts are here and whole")


class Joined(io.RawIOBase):
    """The parts read as one stream; nothing is written to join them."""

    def __init__(self, files: list[Path]) -> None:
        self._files = iter(files)
        self._open: IO[bytes] | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]  # any buffer
        while True:
            if self._open is None:
                file = next(self._files, None)
                if file is None:
                    return 0
                self._open = file.open("rb")
            count: int = self._open.readinto(buffer)  # type: ignore[attr-defined]
            if count:
                return count
            self._open.close()
            self._open = None

    def close(self) -> None:
        if self._open:
            self._open.close()
        super().close()


def unpack(bundle: Path, manifest: dict[str, Any], folder: Path) -> None:
    """Every file of the manifest into `folder`; what is there and whole is left. Each is compared with its SHA-256."""
    expected = {file["path"]: file for file in manifest["files"]}
    for old in [path for path in folder.glob("wheels/*") if f"wheels/{path.name}" not in expected]:
        old.unlink()
    joined = Joined([bundle / part["name"] for part in manifest["parts"]])
    with io.BufferedReader(joined, 1 << 20) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, entry in enumerate(archive, 1):
            if entry.name not in expected:
                raise UnbundleError(f"the parts hold {entry.name}, which is not in manifest.json: make the bundle anew")
            progress(f"unpacking {number} of {len(expected)} {entry.name}")
            file, want = folder / entry.name, expected[entry.name]
            if whole(file, want):
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            aside = file.with_name(f"{file.name}.unfinished")
            with archive.extractfile(entry) as source, aside.open("wb") as written:  # type: ignore[union-attr]
                shutil.copyfileobj(source, written, 1 << 20)
            if not whole(aside, want):
                raise UnbundleError(f"{entry.name} was changed on the way from {bundle} to {folder}: is the disk or the stick failing?")
            aside.replace(file)
    progress("")


def unpack_source(archive: Path, folder: Path) -> None:
    """The project's files into `folder`. What an older bundle brought and this one has not is removed; all else is left."""
    listed = folder / ".tools" / "bundle" / "source.txt"
    old = set(listed.read_text().splitlines()) if listed.exists() else set()
    with tarfile.open(str(archive)) as source:
        if hasattr(tarfile, "data_filter"):
            source.extractall(str(folder), filter="data")
        else:
            source.extractall(str(folder))
        new = {entry.name for entry in source if not entry.isdir()}
    listed.write_text("\n".join(sorted(old | new)))
    for name in old - new:
        if (folder / name).is_file():
            (folder / name).unlink()
    listed.write_text("\n".join(sorted(new)))


def whole(file: Path, want: dict[str, Any]) -> bool:
    return file.exists() and file.stat().st_size == want["bytes"] and sha256(file) == want["sha256"]


def sha256(file: Path) -> str:
    if not file.exists():
        return ""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        for block in iter(lambda: opened.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def progress(text: str) -> None:
    if sys.stdout.isatty():
        print("\r\x1b[2K" + (f"  {text}"[:78] if text else ""), end="", flush=True)


def say(text: str) -> None:
    print(f"sllm: {text}", flush=True)


def fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
