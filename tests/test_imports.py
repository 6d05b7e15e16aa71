"""Imports point one way, and nothing outside the gateway's requirements is imported before it is used.

DIRECTIONS is the table that ARCHITECTURE.md quotes: what a part may import of this project. A part is its longest prefix here.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

BASE = {"server.settings", "server.configfile", "server.configerrors", "server.errors", "server.units", "server.state", "server.nearest"}
BENCH = {f"benchmarks.{part}" for part in ("reports", "metrics", "prompts", "loadgen", "provenance", "stats", "errors")}
DIRECTIONS: dict[str, set[str]] = {
    "sllm": {
        "server.offline",
        "server.terminal",
        "server.doctor",
        "server.supervisor",
        "server.engine",
        "quantize",
        "benchmarks.command",
        "benchmarks.errors",
        *BASE,
    },
    # `sllm batch`: engine and pipeline in one process
    "server.offline": {"server.terminal", "server.gateway", "server.batch", "server.engine", "server.rundir", *BASE},
    "server.doctor": {"server.terminal", "server.engine", "server.rundir", *BASE},
    # the engine: `sllm plan` prints what its planner says
    "server.terminal": {
        "server.supervisor",
        "server.engine",
        "server.rundir",
        "server.cache",
        "server.guards",
        "server.guardsettings",
        *BASE,
    },
    "server.supervisor": {"server.workers", "server.rundir", "server.engine", *BASE},  # gateways are its child processes
    "server.workers": {*BASE},
    "server.rundir": {*BASE},
    # no engine: a socket and the state file
    "server.gateway": {"server.console", "server.batch", "server.guards", "server.guardsettings", "server.cache", *BASE},
    "server.console": {*BASE},
    "server.batch": {"server.sqlitefile", "server.guards", "server.cache", "server.engine", *BASE},
    "server.guards": {"server.guardsettings", "server.onnxmodel", "server.remote", "server.deltas", *BASE},
    "server.cache": {"server.sqlitefile", "server.onnxmodel", "server.remote", "server.deltas", *BASE},
    "server.engine": {*BASE},
    "server.settings": {
        "server.configerrors",
        "server.configfile",
        "server.errors",
        "server.guardsettings",
        "server.section",
        "server.units",
    },
    "server.guardsettings": {"server.section", "server.units"},
    "server.section": set(),
    "server.configerrors": {"server.configfile", "server.nearest"},
    "server.configfile": {"server.errors"},
    "server.onnxmodel": {"server.errors"},
    "server.remote": {"server.errors"},
    "server.deltas": set(),
    "server.state": set(),
    "server.nearest": set(),
    "server.sqlitefile": set(),
    "server.units": set(),
    "server.errors": set(),
    "quantize": set(),
    "benchmarks.command": {"benchmarks.runs", "benchmarks", *BENCH},
    "benchmarks.runs": {"benchmarks.suite", "benchmarks.stack", "benchmarks.busygpu", *BENCH},
    "benchmarks.suite": {"benchmarks.stack", "benchmarks.parent", "benchmarks.busygpu", *BENCH},
    "benchmarks.stack": {"benchmarks.parent", "benchmarks.provenance", "benchmarks.errors"},
    "benchmarks.reports": {"benchmarks.metrics", "benchmarks.loadgen", "benchmarks.provenance", "benchmarks.errors"},
    "benchmarks.metrics": {"benchmarks.loadgen", "benchmarks.errors"},
    "benchmarks.prompts": {"benchmarks.loadgen", "benchmarks.errors"},
    "benchmarks.loadgen": {"benchmarks.stats", "benchmarks.errors"},
    "benchmarks.parent": {"benchmarks.provenance"},
    "benchmarks.busygpu": {"benchmarks.provenance", "benchmarks.errors"},
    "benchmarks.provenance": set(),
    "benchmarks.stats": set(),
    "benchmarks.errors": set(),
    # the project's own benchmarks, one script each
    "benchmarks": {"benchmarks.suite", "benchmarks.stack", "benchmarks.parent", "benchmarks.busygpu", *BENCH},
}

PARTS = ("server", "quantize", "benchmarks")
FILES = [ROOT / "sllm.py", *(file for part in PARTS for file in sorted((ROOT / part).rglob("*.py")))]


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_ours(module: str) -> bool:
    return module.split(".")[0] in ("sllm", *PARTS)


def imported(file: Path) -> set[str]:
    """All modules of this project that the file imports, anywhere in it, `from package import module` included."""
    package = module_of(file) if file.name == "__init__.py" else module_of(file).rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, [above, node.module]))
            for alias in node.names:
                path = ROOT.joinpath(*source.split("."), alias.name)
                is_module = path.is_dir() or path.with_suffix(".py").is_file()
                found.add(f"{source}.{alias.name}" if is_module else source)
    return {module for module in found if is_ours(module)}


def part_of(module: str) -> str:
    """The row of DIRECTIONS that `module` belongs to; the module itself where it has none."""
    return max((part for part in DIRECTIONS if f"{module}.".startswith(f"{part}.")), key=len, default=module)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_a_file_imports_only_what_its_part_may(file: Path):
    part = part_of(module_of(file))
    allowed = DIRECTIONS.get(part, set()) | {part}
    wrong = {other for other in imported(file) if part_of(other) not in allowed and other != "server"}
    assert not wrong, f"{part} must not import {', '.join(sorted(wrong))}"


def test_every_part_of_the_server_has_its_own_row():
    parts = {module_of(path) for path in (ROOT / "server").iterdir() if path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))}
    assert parts - {"server"} - set(DIRECTIONS) == set()


def test_the_directions_have_no_circle():
    def reaches(part: str, goal: str, seen: frozenset[str] = frozenset()) -> bool:
        return any(n == goal or (n not in seen and reaches(n, goal, seen | {n})) for n in DIRECTIONS[part])

    assert [part for part in DIRECTIONS if reaches(part, part)] == []


def requirements(name: str) -> set[str]:
    """Distribution names of a lock file."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return {normal(re.split(r"[=<>!~;\[ ]", line)[0]) for line in lines if re.match(r"[A-Za-z0-9]", line)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


IMPORT_ALL = """
import importlib, importlib.metadata, sys

sys.path.insert(0, {root!r})
allowed, modules = {allowed!r}, {modules!r}
normal = lambda name: name.lower().replace("_", "-").replace(".", "-")
owners = importlib.metadata.packages_distributions()


class Blocked:
    def find_spec(self, name, path=None, target=None):
        owner = owners.get(name.split(".")[0])
        if owner and not any(normal(o) in allowed for o in owner):
            raise ModuleNotFoundError(f"{{name}} belongs to {{owner[0]}}, which is not in requirements/gateway.txt")


sys.meta_path.insert(0, Blocked())
failed = []
for module in modules:
    try:
        importlib.import_module(module)
    except ImportError as error:
        failed.append(f"{{module}}: {{error}}")
print("\\n".join(failed))
"""


def test_every_module_imports_with_the_gateways_requirements_alone():
    ours = ("sllm", "server", "quantize")
    modules = [module_of(file) for file in FILES if module_of(file).startswith(ours) and file.name != "__main__.py"]
    code = IMPORT_ALL.format(root=str(ROOT), allowed=requirements("gateway.txt") | {"sllm-stack"}, modules=modules)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_the_command_line_starts_without_the_heavy_packages():
    heavy = ["torch", "vllm", "transformers", "fastapi", "openai", "huggingface_hub", "rich", "rapidfuzz", "uvicorn"]
    code = f"import sys, sllm; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
