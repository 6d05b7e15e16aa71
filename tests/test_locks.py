"""The lock files say exactly what is installed, and are in step with the .in files they are made from."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parent.parent / "requirements"
ROOT = FOLDER.parent
LOCKS = [path.stem for path in sorted(FOLDER.glob("*.in")) if path.stem != "checkpoints"]
# Locks that are installed on top of another one.
BESIDE = {
    "dev": "engine-cpu",
    "quantize": "engine-cpu",
    "quantize-cuda": "engine-cuda",
    "ray": "engine-cpu",
    "ray-cuda": "engine-cuda",
    "semantic": "engine-cpu",
    "valkey": "engine-cpu",
    "nemo": "engine-cpu",
}
# What is installed here, by the environment that holds it; the locks for CUDA are read by the same rules and not installed.
FOLDERS = {"llm-compressor": ROOT / ".tools" / "llm-compressor", "harness": ROOT / ".tools" / "harness"}


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


@pytest.mark.parametrize(("name", "engine"), [("gateway", "engine-cpu"), ("dev", "quantize"), ("ray", "quantize"), *BESIDE.items()])
def test_locks_that_share_an_environment_agree(name, engine):
    pins = locked(engine)
    different = {k: (v, pins[k]) for k, v in locked(name).items() if pins.get(k, v) != v}
    assert not different, "make lock"


@pytest.mark.parametrize("name", [name for name in LOCKS if name not in FOLDERS])
def test_lock_is_closed_over_what_its_members_ask_for(name):
    """The locks are installed with --no-deps, so a member that is missing here is missing for the user."""
    pins = locked(name) | (locked(BESIDE[name]) if name in BESIDE else {})
    known = overridden(name) | (overridden(BESIDE[name]) if name in BESIDE else set())
    check_closed(name, pins, known, list(metadata.distributions()))


@pytest.mark.parametrize("name", FOLDERS)
def test_lock_of_a_tool_is_closed_and_what_is_installed(name):
    distributions = in_folder(FOLDERS[name])
    if not distributions:
        pytest.skip(f"{name} is not installed: make install-{'harness' if name == 'harness' else 'quantize'}")
    check_closed(name, locked(name), overridden(name), distributions)
    versions = {canonicalize_name(d.name): d.version for d in distributions}
    for distribution, version in locked(name).items():
        assert versions.get(distribution) == version, f"{distribution}: make install-quantize"


def check_closed(name: str, pins: dict[str, str], known: set[str], distributions: list[metadata.Distribution]) -> None:
    versions = locked(name)
    for distribution in distributions:
        if versions.get(canonicalize_name(distribution.name)) != distribution.version:
            continue  # not a member, or another version than the one that would be installed (a CUDA lock on a machine without)
        for text in distribution.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed = canonicalize_name(requirement.name)
                if needed not in known:
                    assert needed in pins, f"{distribution.name} asks for {needed}, which {name}.txt lacks: make lock"


def in_folder(environment: Path) -> list[metadata.Distribution]:
    return [d for path in environment.glob("lib/python*/site-packages") for d in metadata.distributions(path=[str(path)])]


def test_the_tools_torch_finds_all_it_asks_for():
    """torch is not in this lock (torch-cpu.txt), what it needs is."""
    torch = [d for d in in_folder(FOLDERS["llm-compressor"]) if d.name == "torch"]
    if not torch:
        pytest.skip("llm-compressor is not installed: make install-quantize")
    needed = [Requirement(text) for text in torch[0].requires or []]
    plain = {canonicalize_name(r.name) for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})}
    assert plain <= set(locked("llm-compressor"))


def test_installed_versions_are_the_locked_ones():
    cuda = _installed("vllm") is not None
    pins = locked("engine-cuda" if cuda else "engine-cpu") | locked("dev")
    if _installed("gptqmodel"):
        pins |= locked("quantize-cuda" if cuda else "quantize")
    if _installed("ray"):
        pins |= locked("ray-cuda" if cuda else "ray")
    for distribution, version in pins.items():
        assert _installed(distribution) == version, f"{distribution}: make install"


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
