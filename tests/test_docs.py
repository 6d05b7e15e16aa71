"""What the pages say can be typed can be typed. (tests/e2e/test_docs.py runs the calls on a real engine.)"""

import re
import shlex
import subprocess
import sys

import click
import pytest
import typer
import yaml

import sllm
from server import settings
from tests.snippets import PAGES, ROOT, all_blocks, blocks

MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
COMMANDS = [(block, command) for block in all_blocks("bash") for command in block.commands()]


def without_environment(command: str) -> list[str]:
    words = shlex.split(command)
    while words and re.match(r"^[A-Z_]+=", words[0]):
        words.pop(0)
    return words


@pytest.mark.parametrize(("block", "command"), COMMANDS, ids=lambda value: str(value)[:60])
def test_command_exists_and_its_flags_parse(block, command):
    words = without_environment(command)
    match words[0].removeprefix(".venv/bin/"):
        case "make":
            targets = [w for w in words[1:] if "=" not in w]
            assert set(targets) <= MAKE_TARGETS, f"{block}: {command}"
        case "sllm":
            parse(words[1:])
        case "curl" | "git" | "cd" | "kill" | "tail" | "echo" | "vllm" | "python" | "pip" | "export" | "hf" | "ray" | ".ci/run":
            pass
        case other:
            pytest.fail(f"{block}: nobody checks '{other}'")


def parse(arguments: list[str]) -> None:
    """Parse `sllm ARGUMENTS` down to its last sub-command, running nothing."""
    command: click.Command = typer.main.get_command(sllm.app)
    while True:
        context = command.make_context("sllm", arguments)
        if not isinstance(command, click.Group):
            return
        arguments = [*context._protected_args, *context.args]
        _, command, arguments = command.resolve_command(context, arguments)


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_configuration_on_a_page_loads(block):
    data = yaml.safe_load(block.text)
    if set(data) & set(settings.Settings.model_fields):
        settings.parse(data, where=str(block))


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_python_on_a_page_compiles(block):
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_both_readmes_show_the_same_code():
    def code(name):
        return [(b.language, b.text) for b in blocks(ROOT / name) if b.language in ("bash", "python", "yaml")]

    assert code("README.md") == code("README.ko.md")


def test_table_of_keys_is_in_step_with_the_settings():
    check = subprocess.run(
        [sys.executable, "docs/keys.py", "--check"], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert check.returncode == 0, check.stderr
