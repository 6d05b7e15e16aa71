"""The files that people copy."""

from pathlib import Path

import pytest

from benchmarks.runs import matrix, sweep
from quantize import gate, recipe, source
from quantize.machine import Machine
from quantize.methods import METHODS
from quantize.methods.method import Method
from server.guardsettings import Guard
from server.settings import ROOT, load
from server.terminal import guardtools
from server.terminal.configuration import warnings

FILES = sorted((ROOT / "configs").rglob("*.yaml"))
SERVE = [file for file in FILES if file.parent.name == "serve"]
GUARDS = [file for file in FILES if file.parent.name == "guards"]
SWEEPS = [file for file in FILES if file.parent.name == "benchmarks"]
QUANTIZE = [file for file in FILES if file.parent.name == "quantize"]

LAPTOP = Machine(memory=16 * 2**30, disk=100 * 2**30, cpus=4, gpu=False, engine="cpu")
SERVER = Machine(memory=64 * 2**30, disk=500 * 2**30, cpus=16, gpu=True, engine="cuda")


def everything_is_installed(method: Method) -> None:
    pass


@pytest.mark.parametrize("file", SERVE, ids=lambda f: f.name)
def test_every_serving_file_loads_without_any_variable(file: Path):
    assert load(file, environ={}).models


@pytest.mark.parametrize("file", SERVE, ids=lambda f: f.name)
def test_every_serving_file_starts_with_what_it_is_for(file: Path):
    assert file.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("file", [f for f in SERVE if f.name.startswith("demo")], ids=lambda f: f.name)
def test_the_demo_files_need_nothing_that_the_repository_lacks(file: Path):
    assert warnings(load(file, environ={})) == []


def test_the_demo_file_says_what_the_empty_configuration_is():
    assert load(ROOT / "configs/serve/demo.yaml", environ={}) == load(environ={})


@pytest.mark.parametrize("file", GUARDS, ids=lambda f: f.name)
def test_every_list_of_guards_says_what_it_is_for(file: Path):
    assert file.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("file", GUARDS, ids=lambda f: f.name)
def test_every_list_of_guards_can_be_made_and_needs_no_file_that_the_repository_lacks(file: Path):
    settings = load(file, environ={})
    assert guardtools.made(settings).guards
    assert warnings(settings) == []


def test_everything_has_a_guard_of_every_kind():
    kinds = {branch.model_fields["kind"].annotation.__args__[0] for branch in Guard.__origin__.__args__}  # type: ignore[attr-defined]
    text = (ROOT / "configs/guards/everything.yaml").read_text(encoding="utf-8")
    assert [kind for kind in sorted(kinds) if f"kind: {kind}\n" not in text] == []


@pytest.mark.parametrize("file", QUANTIZE, ids=lambda f: f.name)
def test_every_recipe_says_what_it_is_for(file: Path):
    assert file.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("machine", [LAPTOP, SERVER], ids=["laptop", "server"])
@pytest.mark.parametrize("file", QUANTIZE, ids=lambda f: f.name)
def test_every_recipe_passes_the_gate_for_the_demo_model_without_a_warning(file: Path, machine: Machine):
    demo, loaded = source.read(ROOT / "models/demo"), recipe.load(file, {})
    if loaded.method == recipe.ALL:
        plans = [found for _, found in gate.feasible(demo, loaded, machine, METHODS, everything_is_installed)]
    else:
        plans = [gate.check(demo, loaded, machine, METHODS, everything_is_installed)]
    assert [found for found in plans if not isinstance(found, gate.Plan) or found.warnings] == []


@pytest.mark.parametrize("file", SWEEPS, ids=lambda f: f.name)
def test_every_sweep_says_what_it_is_for_and_gives_its_cells(file: Path):
    assert file.read_text(encoding="utf-8").startswith("# ")
    assert sweep.plan({"matrix": matrix.read(file)})


def test_the_demo_sweep_needs_nothing_that_the_repository_lacks():
    assert [model["model"] for model in matrix.read(ROOT / "configs/benchmarks/sweep-demo.yaml")["models"]] == ["demo"]


def test_there_is_a_recipe_for_every_method():
    assert {recipe.load(file, {}).method for file in QUANTIZE} >= {name for name, method in METHODS.items() if not method.control}


def test_the_recipe_that_names_every_default_names_the_defaults():
    said = recipe.load(ROOT / "configs/quantize/gptq.yaml", {}).model_dump()
    filled = {"bits": 4, "symmetric": True}
    assert said == {**recipe.load(None, {"method": "gptq"}).model_dump(), **filled}
