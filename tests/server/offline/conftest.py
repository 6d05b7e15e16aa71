"""`sllm batch` as a person types it, against a server that does what a test tells it to."""

import json
import os
import subprocess
import sys

import pytest

from server.settings import ROOT
from tests.scripted import CHAT, scripted_in_thread


class Command:
    """`run` to the end, or `start` and hold. `out` has the results by custom_id, once each."""

    def __init__(self, folder):
        self.folder = folder
        self.input, self.out, self.errors = (folder / name for name in ("in.jsonl", "out.jsonl", "out.errors.jsonl"))
        self.processes = []

    def write(self, count, model="m", **body):
        rows = [
            {
                "custom_id": f"id-{n}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": model, "messages": [{"role": "user", "content": f"Say {n}"}], **body},
            }
            for n in range(1, count + 1)
        ]
        self.input.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def start(self, *flags, source=None, env=None):
        words = [sys.executable, "-m", "sllm", "batch", str(source or self.input), *([] if "--check" in flags else [str(self.out)]), *flags]
        clean = {k: v for k, v in os.environ.items() if k != "OPENAI_API_KEY"}
        clean["SLLM_GATEWAY__DATA_DIR"] = str(self.folder / "data")
        process = subprocess.Popen(
            words, cwd=ROOT, env={**clean, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.processes.append(process)
        return process

    def run(self, *flags, **more):
        """(exit code, what it said)."""
        process = self.start(*flags, **more)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        return process.returncode, out + err

    def json(self, *flags, **more):
        process = self.start("--json", *flags, **more)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        return process.returncode, json.loads(out)

    def results(self, file=None):
        file = file or self.out
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def ids(self, file=None):
        return sorted(int(row["custom_id"].removeprefix("id-")) for row in self.results(file))


@pytest.fixture
def command(tmp_path):
    command = Command(tmp_path)
    yield command
    for process in command.processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def server(answer, models=("m",)):
    """`answer(request, reply)` for POSTs; /v1/models names `models`."""

    async def script(request, reply):
        if request.method == "GET":
            await reply.json({"object": "list", "data": [{"id": name, "object": "model"} for name in models]})
        else:
            await answer(request, reply)

    return script


async def says_hello(request, reply):
    await reply.json(CHAT)


@pytest.fixture
def upstream():
    with scripted_in_thread(server(says_hello)) as engine:
        yield engine


def asked(engine):
    """The texts that the server was asked, in order."""
    return [request.json["messages"][-1]["content"] for request in engine.requests if request.method == "POST"]
