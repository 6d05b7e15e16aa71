"""The block after the start."""

import contextlib
import io
import json
import subprocess
import sys

import pytest

from server.settings import parse
from server.terminal import banner
from tests.server.terminal.scripted import ScriptedServer

STACK = parse(
    {
        "models": [{"name": "chat", "path": "a/b", "adapters": {"support": "x/y"}}, {"name": "embed", "path": "c/d"}],
        "personas": {"시인": {"model": "chat"}},
    }
)


def test_every_name_is_listed_with_its_kind():
    assert banner.served(STACK, {"chat": "generate", "embed": "embed"}) == {
        "chat": "chat",
        "support": "chat, adapter of chat",
        "embed": "embeddings",
        "시인": "persona of chat",
    }


def test_programs_get_the_address_and_the_models():
    made = banner.as_json(STACK, {"embed": "embed"})
    assert made["base_url"] == "http://127.0.0.1:8000/v1"
    assert {"name": "embed", "kind": "embeddings"} in made["models"]
    json.dumps(made)


def test_programs_get_where_each_engine_listens():
    made = banner.as_json(STACK, {"embed": "embed"}, {"chat": "unix:/run/chat.sock"})
    assert {"name": "chat", "kind": "chat", "engine": "unix:/run/chat.sock"} in made["models"]
    assert {"name": "support", "kind": "chat, adapter of chat"} in made["models"]


def test_the_python_lines_run_as_they_stand_and_print_the_answer():
    with ScriptedServer([], models=("chat",)) as server:
        server.script = [(200, {"id": "1", "object": "chat.completion", "created": 0, "model": "chat", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "서울"}}]}, {})]  # fmt: skip
        settings = parse({"models": STACK.models, "gateway": {"port": server.http.server_port}})
        text = banner.as_text(settings, {})
        lines = text[text.index("from openai") :].split("\n\n")[0]
        assert len(lines.splitlines()) == 5
        done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "서울", done.stderr


@pytest.mark.parametrize(("task", "path"), [("embed", "/v1/embeddings"), ("score", "/v1/rerank"), ("generate", "/v1/chat/completions")])
def test_a_stack_without_a_chat_model_is_shown_the_call_that_it_can_answer(task: str, path: str):
    one = parse({"models": [{"name": "m", "path": "a/b"}]})
    assert f"curl http://127.0.0.1:8000{path}" in banner.as_text(one, {"m": task})


def test_listening_everywhere_shows_an_address_that_can_be_called():
    everywhere = parse({"gateway": {"host": "0.0.0.0"}})
    assert "Ready: http://127.0.0.1:8000/v1" in banner.as_text(everywhere, {})
    assert "other machines" in banner.as_text(everywhere, {})


def test_the_block_is_plain_text():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print(banner.as_text(STACK, {}))
    assert "\x1b" not in out.getvalue()
