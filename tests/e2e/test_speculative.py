"""The draft beside the demo model, through the real engine: how many of its proposals vLLM accepts.

Counted by vLLM itself (`vllm:spec_decode_*` on /metrics), over held-out questions at temperature 0.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "demo"
PROPOSED = 4
QUESTIONS = 650  # every other one of the held-out questions

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url: str, body: dict | None = None) -> str:
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read().decode()


def wait_until_ready(url: str, process: subprocess.Popen, log: Path, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            get(f"{url}/health")
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    pytest.fail(f"the engine was not ready in {seconds} s:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("vllm", reason="install the engine: make install ENGINE=cpu")
    port, log = free_port(), tmp_path_factory.mktemp("engine") / "vllm.log"
    speculative = {"method": "draft_model", "model": str(DEMO / "draft"), "num_speculative_tokens": PROPOSED}
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(DEMO), "--served-model-name", "chat",
        "--host", "127.0.0.1", "--port", str(port), "--enforce-eager", "--max-model-len", "1024", "--max-num-seqs", "16",
        "--speculative-config", json.dumps(speculative), "--enable-auto-tool-choice", "--tool-call-parser", "hermes",
    ]  # fmt: skip
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process, log)
        yield url
    finally:
        # The engine's core and workers outlive their server: the whole group is ended.
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(15)


def chat(url: str, prompt: str, **options: object) -> dict:
    body = {"model": "chat", "messages": [{"role": "user", "content": prompt}], "max_tokens": 200, **options}
    return json.loads(get(f"{url}/v1/chat/completions", body))["choices"][0]["message"]


def counter(url: str, name: str) -> float:
    values = re.findall(rf"^vllm:{name}_total(?:{{[^}}]*}})? (\S+)$", get(f"{url}/metrics"), re.MULTILINE)
    assert values, f"no counter vllm:{name}_total"
    return sum(map(float, values))


def held_out() -> list[dict[str, str]]:
    lines = (DEMO / "questions" / "heldout.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:: round(len(lines) / QUESTIONS)]][:QUESTIONS]


@pytest.fixture(scope="module")
def examined(engine: str) -> dict[str, float]:
    questions = held_out()
    names = ("spec_decode_num_draft_tokens", "spec_decode_num_accepted_tokens", "spec_decode_num_drafts")
    before = [counter(engine, name) for name in names]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda q: chat(engine, q["prompt"], temperature=0)["content"], questions))
    proposed, accepted, drafts = (counter(engine, name) - start for name, start in zip(names, before, strict=True))
    right = sum(answer == question["answer"] for answer, question in zip(answers, questions, strict=True))
    figures = {"acceptance": accepted / proposed, "tokens_a_step": 1 + accepted / drafts, "exact": right / len(questions)}
    print(figures)
    return figures


def test_most_proposed_tokens_are_accepted(examined):
    assert examined["acceptance"] >= 0.60, examined


def test_the_answers_stay_right_with_a_draft(examined):
    assert examined["exact"] >= 0.95, examined


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.mark.parametrize(
    "choice", ["auto", "required", {"type": "function", "function": {"name": "get_weather"}}], ids=["auto", "required", "named"]
)
def test_a_tool_is_called_through_the_api(engine, choice):
    message = chat(engine, "What is the weather in Seoul?", tools=[WEATHER], tool_choice=choice, temperature=0)
    [call] = message["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Seoul"}


def test_a_schema_is_filled(engine):
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
        "required": ["city", "country"],
        "additionalProperties": False,
    }
    options = {"response_format": {"type": "json_schema", "json_schema": {"name": "capital", "schema": schema}}, "temperature": 0}
    assert json.loads(chat(engine, "What is the capital of France? Answer in JSON.", **options)["content"]) == {
        "city": "Paris",
        "country": "France",
    }
