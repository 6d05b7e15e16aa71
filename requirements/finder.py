"""Which file pip would take for each line of a lock, for another Python and platform, and the download of it.

pip's own finder is asked, under pip's own settings (indexes, folders of wheels, passwords, certificates): `pip download` has no
dry run, evaluates markers for the Python that runs it, and `pip install --dry-run` fetches whole wheels where an index has no
metadata files beside them. The finder is no public interface of pip, so bundle.py puts the pip of bundle.txt on sys.path first.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class FetchError(Exception):
    """Says which file could not be had, and why."""


ARCHITECTURES = ("x86_64", "aarch64")


@dataclass(frozen=True)
class Target:
    """The machine that a bundle is for. `glibc` is the minor number of the newest C library that wheels may need (2.N)."""

    python: str  # 3.12
    arch: str
    glibc: int

    @property
    def tag(self) -> str:
        return f"py{self.python.replace('.', '')}-{self.arch}"

    def platforms(self) -> list[str]:
        """Wheel platforms, the most portable first, as pip takes the first that is offered."""
        old = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
        found = []
        for minor in range(5 if self.arch == "x86_64" else 17, self.glibc + 1):
            found += [f"{old[minor]}_{self.arch}"] if minor in old else []
            found.append(f"manylinux_2_{minor}_{self.arch}")
        return [*found, f"linux_{self.arch}"]

    def options(self) -> list[str]:
        """The same as options of `pip download`."""
        platforms = [word for platform in self.platforms() for word in ("--platform", platform)]
        return ["--implementation", "cp", "--python-version", self.python, *platforms]

    def markers(self) -> dict[str, str]:
        return {
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "os_name": "posix",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "platform_machine": self.arch,
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "implementation_version": f"{self.python}.0",
            "extra": "",
        }


@dataclass(frozen=True)
class Found:
    """One line of a lock and the file for it. `url` is empty where no index or folder has one."""

    pin: str  # name==version
    url: str = ""
    sha256: str = ""  # as the index says; empty where it does not

    @property
    def name(self) -> str:
        return unquote(Path(urlsplit(self.url).path).name)

    @property
    def wheel(self) -> bool:
        return self.name.endswith(".whl")


def pins(lock: Path, target: Target) -> list[str]:
    """The lines of `lock` that count on `target`, without their markers."""
    from pip._vendor.packaging.requirements import Requirement

    found = []
    for raw in lock.read_text().splitlines():
        line = raw.split("#")[0].strip()
        if not line:
            continue
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(target.markers()):
            found.append(f"{requirement.name}{requirement.specifier}")
    return found


def find(wanted: list[str], target: Target, *, index: str = "") -> list[Found]:
    """One Found for each `name==version`: a wheel where there is one for `target`, else the source, else no URL.

    `index`: an index to ask in place of the configured ones.
    """
    from pip._vendor.packaging.requirements import Requirement

    def one(pin: str) -> Found:
        requirement = Requirement(pin)
        candidate = finder.find_best_candidate(requirement.name, specifier=requirement.specifier).best_candidate
        if candidate is None:
            return Found(pin)
        link = candidate.link
        return Found(pin, link.url_without_fragment, link.hash if link.hash_name == "sha256" else "")

    with finders(["--quiet", *target.options(), *(["-i", index] if index else [])]) as (finder, _):
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(one, wanted))


def sizes(found: list[Found]) -> list[int]:
    """Bytes of each file as its server says; 0 where it does not."""

    def one(file: Found) -> int:
        if not file.url or file.url.startswith("file:"):
            return Path(unquote(urlsplit(file.url).path)).stat().st_size if file.url else 0
        answer = session.head(file.url, allow_redirects=True)
        return int(answer.headers.get("content-length", 0)) if answer.ok else 0

    with finders(["--quiet"]) as (_, session):
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(one, found))


def fetch(file: Found, folder: Path, attempts: int = 5, wait: Callable[[float], None] = time.sleep) -> None:
    """Download `file` into `folder`, going on where an earlier attempt ended. Raises FetchError."""
    from pip._vendor.requests import RequestException

    aside = folder / f"{file.name}.unfinished"
    if file.url.startswith("file:"):
        shutil.copyfile(unquote(urlsplit(file.url).path), aside)
        return finish(file, aside)
    with finders(["--quiet"]) as (_, session):
        for attempt in range(1, attempts + 1):
            try:
                have = aside.stat().st_size if aside.exists() else 0
                # Caches are left out: they would keep every wheel a second time.
                headers = {"Accept-Encoding": "identity", "Cache-Control": "no-store", **({"Range": f"bytes={have}-"} if have else {})}
                with session.get(file.url, headers=headers, stream=True) as answer:
                    if answer.status_code != 416:  # 416: all of it was there already
                        answer.raise_for_status()
                        missing = int(answer.headers.get("Content-Length", 0))
                        with aside.open("ab" if answer.status_code == 206 else "wb") as written:
                            for block in answer.iter_content(1 << 20):
                                missing -= written.write(block)
                        if missing > 0:  # a connection that is closed in order is no error to requests
                            raise RequestException(f"it ended {missing} bytes early")
                return finish(file, aside)
            except RequestException as error:
                if attempt == attempts:
                    raise FetchError(f"{file.name}: {error}. What is there is kept; the same command goes on.") from None
                wait(2**attempt)


def finish(file: Found, aside: Path) -> None:
    with aside.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if file.sha256 and found != file.sha256:
        aside.unlink()
        raise FetchError(f"{file.name} is not what the index says it is: expected sha256 {file.sha256}, found {found}. Try again")
    aside.replace(aside.with_name(file.name))


@contextmanager
def finders(options: list[str]) -> Iterator[tuple[Any, Any]]:
    """pip's finder and its HTTP session under `options` of `pip download`."""
    from pip._internal.cli.cmdoptions import make_target_python
    from pip._internal.commands import create_command

    logging.getLogger("pip").setLevel(logging.ERROR)  # a folder that has not every package is no news
    command: Any = create_command("download")
    parsed, _ = command.parse_args(["--no-deps", *options])
    with command.main_context():
        session = command.get_default_session(parsed)
        yield command._build_package_finder(parsed, session, target_python=make_target_python(parsed)), session
