"""The files that people copy."""

from pathlib import Path

import pytest

from server.settings import ROOT, load
from server.terminal.configuration import warnings

FILES = sorted((ROOT / "configs").rglob("*.yaml"))
SERVE = [file for file in FILES if file.parent.name == "serve"]


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
