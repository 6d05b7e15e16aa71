"""The lock files say exactly what is installed, and are in step with the .in files they are made from."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parent.parent / "requirements"
LOCKS = ["gateway", "engine-cpu", "engine-cuda", "dev"]


def lines(path: Path) -> list[str]:
    return [line for raw in path.read_text().splitlines() if (line := raw.split("#")[0].strip())]


def wanted(name: str) -> list[Requirement]:
    """What NAME.in asks for, with the files it includes."""
    found: list[Requirement] = []
    for line in lines(FOLDER / f"{name}.in"):
        if line.startswith("-r "):
            found += wanted(line.removeprefix("-r ").removesuffix(".in"))
        else:
            found.append(Requirement(line))
    return found


def locked(name: str) -> dict[str, str]:
    """Distribution -> version in NAME.txt, for this Python and platform."""
    pins = [Requirement(line) for line in lines(FOLDER / f"{name}.txt")]
    return {canonicalize_name(p.name): str(p.specifier).removeprefix("==") for p in pins if p.marker is None or p.marker.evaluate()}


def overridden(name: str) -> set[str]:
    path = FOLDER / f"{name}.overrides"
    return {canonicalize_name(Requirement(line).name) for line in lines(path)} if path.exists() else set()


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_is_one_exact_version_and_no_address(name):
    for line in lines(FOLDER / f"{name}.txt"):
        assert re.match(r"^[A-Za-z0-9_.-]+==[^=<>~ ]+( ; .+)?$", line), line
        assert "://" not in line


@pytest.mark.parametrize("name", LOCKS)
def test_lock_satisfies_its_in_file(name):
    pins = locked(name)
    for requirement in wanted(name):
        if requirement.marker is None or requirement.marker.evaluate():
            version = pins.get(canonicalize_name(requirement.name))
            assert version, f"{requirement.name} is in {name}.in and not in {name}.txt: make lock"
            assert requirement.specifier.contains(version, prereleases=True), f"{requirement} but {version} is locked: make lock"


@pytest.mark.parametrize("name", ["gateway", "dev"])
def test_locks_that_share_an_environment_agree(name):
    engine = locked("engine-cpu")
    different = {k: (v, engine[k]) for k, v in locked(name).items() if engine.get(k, v) != v}
    assert not different, "make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_lock_is_closed_over_what_its_members_ask_for(name):
    """The locks are installed with --no-deps, so a member that is missing here is missing for the user."""
    pins = locked(name) | (locked("engine-cpu") if name == "dev" else {})
    for distribution in set(locked(name)) & {canonicalize_name(d.name) for d in metadata.distributions()}:
        for text in metadata.requires(distribution) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed = canonicalize_name(requirement.name)
                if needed not in overridden(name):
                    assert needed in pins, f"{distribution} asks for {needed}, which {name}.txt lacks: make lock"


def test_installed_versions_are_the_locked_ones():
    engine = "engine-cuda" if _installed("vllm") else "engine-cpu"
    for distribution, version in (locked(engine) | locked("dev")).items():
        assert _installed(distribution) == version, f"{distribution}: make install"


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
