"""The calls that the pages show, run as they stand against the real engine (only address and model name are put in)."""

import shlex
import subprocess
import sys
import urllib.request
from itertools import pairwise

import pytest

from tests.snippets import ROOT, all_blocks

pytestmark = pytest.mark.engine

# What an answer must hold, by a piece of the block that asks. A block that is not here must still print something.
EXPECTED = {
    "What is the capital of South Korea?": "Seoul",
    "대한민국의 수도는": "서울",
    "12 + 30": "42",
    "What is the weather in Seoul?": "get_weather",
    "Give the capital of France as JSON": '"Paris"',
}


def pointed_at(text: str, url: str) -> str:
    """`text` with the stack's address, and its chat model instead of `demo`."""
    text = text.replace("http://127.0.0.1:8000", url)
    return text.replace('model="demo"', 'model="chat"').replace('"model": "demo"', '"model": "chat"')


def check(block, printed: str) -> None:
    assert printed.strip(), block
    for question, answer in EXPECTED.items():
        if question in block.text:
            assert answer in printed, f"{block}: {printed}"


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_python_on_a_page_runs(block, stack):
    code = pointed_at(block.text, stack.base_url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, f"{block}: {done.stderr}"
    check(block, done.stdout)


@pytest.mark.parametrize("block", [b for b in all_blocks("bash") if "curl" in b.text], ids=str)
def test_curl_on_a_page_answers(block, stack):
    for command in block.commands():
        if command.startswith("curl"):
            check(block, curl(pointed_at(command, stack.base_url)))


def curl(command: str) -> str:
    """What `curl [-H header] [-d body] URL` prints; machines that run the tests need not have curl."""
    words = shlex.split(command)[1:]
    (url,) = (word for word in words if word.startswith("http"))
    options = {flag: value for flag, value in pairwise(words) if flag in ("-H", "-d")}
    headers = dict([options["-H"].split(": ", 1)]) if "-H" in options else {}
    body = options["-d"].encode() if "-d" in options else None
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=120) as answer:
        return answer.read().decode()
