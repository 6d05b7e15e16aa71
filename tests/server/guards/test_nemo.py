import sys

import pytest

from server.errors import ConfigError, StartError
from server.guards.base import Context, Piece, Tools
from server.guards.kinds.nemo import make
from server.guardsettings import Nemo

# The library reads fields of its own that it has deprecated.
needs_nemo = pytest.mark.filterwarnings("ignore::DeprecationWarning")
CONFIG = "models: []\nrails:\n  input: {flows: [check words]}\n"
FLOWS = """
define bot refuse to respond
  "No."

define flow check words
  $bad = execute check_words(text=$user_message)
  if $bad
    bot refuse to respond
    stop
"""
ACTIONS = """
from nemoguardrails.actions import action


@action(is_system_action=True)
async def check_words(text=None):
    return "hippo" in (text or "")
"""


@pytest.fixture
def folder(tmp_path):
    for name, text in (("config.yml", CONFIG), ("rails.co", FLOWS), ("actions.py", ACTIONS)):
        (tmp_path / name).write_text(text)
    return tmp_path


def judge_of(folder, side="input"):
    return make(Nemo(kind="nemo", folder=str(folder)), side, Tools())


def test_a_folder_without_a_configuration_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"has no config\.yml"):
        judge_of(tmp_path)


async def test_without_the_library_it_says_what_to_type(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "nemoguardrails", None)
    with pytest.raises(StartError, match=r"nemoguardrails is not installed: pip install --no-deps -r requirements/nemo\.txt"):
        await judge_of(folder).open()


@needs_nemo
async def test_its_rails_judge_every_text(folder):
    judge = judge_of(folder)
    await judge.open()
    assert not (await judge.judge([Piece("hello there")], Context())).flagged
    said = await judge.judge([Piece("hello there", "a"), Piece("a hippo walks", "b")], Context())
    assert (said.flagged, said.place, said.why) == (True, "b", "rail: check words")
    await judge.close()


@needs_nemo
async def test_a_side_without_rails_is_said(folder):
    with pytest.raises(StartError, match="has no output rails"):
        await judge_of(folder, "output").open()


@needs_nemo
async def test_a_configuration_that_it_refuses_is_said(folder):
    (folder / "config.yml").write_text("rails: 5")
    with pytest.raises(StartError, match="NeMo Guardrails refuses"):
        await judge_of(folder).open()
