"""`sllm batch --ray` on a cluster of two nodes on this machine: the lines of a run without it, and none twice after a SIGKILL."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.engine.guardian import descendants
from server.settings import ROOT
from tests.e2e.running import Stack, alive, until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

STORE = 80 * 2**20  # bytes
QUESTIONS = ("Count to ten.", "What is the capital of France?", "서울은 어떤 도시인가요?", "대한민국의 수도는 어디인가요?")
LINES = 40


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster with two nodes of one core each."""
    pytest.importorskip("ray")
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # short: sockets are in it
    nodes: list[subprocess.Popen[bytes]] = []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    head = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}"]
    try:
        for words in (head, [f"--address={address}"]):
            nodes.append(_node(*words))
            until(lambda: _answers(port), 60)
        until(lambda: _alive_nodes(address) == 2, 60, lambda: (folder / "session_latest").exists())
        yield address
    finally:
        tree = [pid for node in nodes for pid in (*descendants(node.pid), node.pid)]
        for pid in tree:
            if alive(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for node in nodes:
            node.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _node(*words: str) -> subprocess.Popen[bytes]:
    ray = Path(sys.executable).with_name("ray")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    common = ["--node-ip-address=127.0.0.1", "--num-cpus=1", f"--object-store-memory={STORE}", "--disable-usage-stats", "--block"]
    env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen([ray, "start", *words, *common], env=env, cwd=ROOT, start_new_session=True, **quiet)  # type: ignore[call-overload]


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False


def _alive_nodes(address: str) -> int:
    code = f"import ray; from ray._raylet import GcsClient; print(len(GcsClient(address={address!r}).get_all_node_info(timeout=5)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    return int(done.stdout.strip() or 0) if done.returncode == 0 else 0


def _input(folder: Path) -> Path:
    """Forty lines: chat in two languages, completions, responses, one that is too long, one that is none."""
    lines = []
    for number in range(LINES):
        url, body = (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": f"{QUESTIONS[number % 4]} {number}"}], "max_tokens": 96},
        )
        if number == 5:
            url, body = "/v1/completions", {"prompt": "Hello", "max_tokens": 24}
        if number == 6:
            url, body = "/v1/responses", {"input": "안녕하세요", "max_output_tokens": 24}
        if number == 7:
            body["messages"] = [{"role": "user", "content": "word " * 5000}]
        if number == 8:
            body |= {"n": 2, "temperature": 1, "seed": 3, "logprobs": True, "top_logprobs": 2, "max_tokens": 4}
        request = {"model": "chat", "temperature": 0, **body}
        lines.append(json.dumps({"custom_id": f"id-{number}", "method": "POST", "url": url, "body": request}, ensure_ascii=False))
    lines.insert(3, "not a line")
    path = folder / "in.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def _sllm(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sllm", "batch", *words]
    env = {**os.environ, "SLLM_GATEWAY__DATA_DIR": str(folder / "data"), "XDG_RUNTIME_DIR": str(folder), "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def _read(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def _plain(value: Any) -> Any:
    """Without what differs between two runs of one request."""
    if isinstance(value, dict):
        return {
            key: _plain(item)
            for key, item in value.items()
            if key not in ("id", "created", "created_at", "request_id", "system_fingerprint")
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _by_id(lines: list[dict[str, Any]]) -> dict[str | None, Any]:
    assert len({line["custom_id"] for line in lines}) == len(lines)
    return {line["custom_id"]: _plain(line) for line in lines}


def test_lines_are_those_of_a_run_without_ray_and_none_is_lost_or_twice_after_a_kill(
    cluster: str, stack: Stack, chat_model: Path, tmp_path: Path
):
    source, out = _input(tmp_path), tmp_path / "ray.jsonl"
    words = [str(source), str(out), "--model", str(chat_model), "--as", "chat", "--ray", cluster, "--", "--max-num-seqs", "2"]
    first = _sllm(tmp_path, "--ray-replicas", "1", *words)  # one engine is up sooner
    try:
        until(lambda: first.poll() is not None or len(_whole_lines(out)) >= 4, 300)
    finally:
        first.kill()
    said = first.communicate()[0]
    before = _whole_lines(out)
    assert 4 <= len(before) < LINES - 1, said

    again = _sllm(tmp_path, *words)
    said = again.communicate(timeout=400)[0]

    assert again.returncode == 1, said  # two lines cannot be run
    assert "Traceback" not in said
    lines, errors = _read(out), _read(tmp_path / "ray.errors.jsonl")
    assert out.read_bytes().splitlines()[: len(before)] == before
    assert len(lines) == LINES - 1, said
    assert sorted(error["line"] for error in errors) == [4, 9]
    plain = tmp_path / "plain.jsonl"
    alone = _sllm(tmp_path, str(source), str(plain), "--url", stack.base_url, "--no-cache")
    said = alone.communicate(timeout=200)[0]
    assert alone.returncode == 1, said
    assert _by_id(lines) == _by_id(_read(plain))
    assert _by_id(errors) == _by_id(_read(tmp_path / "plain.errors.jsonl"))


def _whole_lines(out: Path) -> list[bytes]:
    return [line for line in out.read_bytes().splitlines(keepends=False) if line.endswith(b"}")] if out.exists() else []
