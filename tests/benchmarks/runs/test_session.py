"""What every benchmark with an engine of its own does when it is interrupted, when nothing answers, when a GPU is busy."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import busygpu
from benchmarks.errors import BenchError
from benchmarks.prompts.options import PromptOptions
from benchmarks.reports import document
from benchmarks.runs import session
from benchmarks.runs.throughput import ThroughputOptions, run
from benchmarks.stack import ROOT

WARM_UP = 8
PROMPTS = PromptOptions(endpoint="completions", input_tokens=8, output_tokens=5)
CODE = """
import sys
from pathlib import Path
from benchmarks.prompts.options import PromptOptions
from benchmarks.runs.throughput import ThroughputOptions, run
prompts = PromptOptions(endpoint="completions", input_tokens=8, output_tokens=OUTPUT)
made = run(ThroughputOptions(serve=(sys.executable, "FAKE"), requests=20, prompts=prompts, repeat=2), Path(sys.argv[1]))
print(made["status"], made["note"], flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_run_keeps_what_it_has_and_ends_its_engine(tmp_path, number):
    asked, starts = tmp_path / "prompts.jsonl", tmp_path / "starts.jsonl"
    environ = {**os.environ, "FAKE": json.dumps({"prompts": str(asked), "starts": str(starts)})}
    code = CODE.replace("OUTPUT", "900").replace('"FAKE"', repr(str(Path(__file__).with_name("fakestack.py"))))
    ours = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "result.json")], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 40
    while not asked.is_file() or len(asked.read_text().splitlines()) <= WARM_UP:  # the first level has begun
        assert ours.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    ours.send_signal(number)
    said, _ = ours.communicate(timeout=40)
    assert said.startswith("partial interrupted at 20 requests at once, round 1 of 2")
    made = document.load(tmp_path / "result.json")
    assert made["status"] == "partial"
    counts = made["levels"][0]["summary"]["requests"]
    assert counts["failed"] > 0
    assert counts["completed"] + counts["failed"] == counts["sent"]
    [start] = [json.loads(line) for line in starts.read_text().splitlines()]
    assert not Path(f"/proc/{start['pid']}").exists()


def test_an_engine_that_answers_nothing_is_told_before_anything_is_measured(tmp_path, fake):
    with pytest.raises(BenchError, match="cannot be measured: warm-up: no request was answered"):
        run(ThroughputOptions(serve=fake(dies_after=-1), requests=4, prompts=PROMPTS), tmp_path / "result.json")
    assert not (tmp_path / "result.json").exists()


def test_prompts_that_do_not_fit_the_engines_context_are_told_before_anything_is_sent(tmp_path, fake):
    prompts = PromptOptions(endpoint="completions", input_tokens=2000, output_tokens=100)
    with pytest.raises(BenchError, match="do not fit the model's 2048"):
        run(ThroughputOptions(serve=fake(), requests=4, prompts=prompts), tmp_path / "result.json")


def test_a_busy_gpu_that_is_measured_anyway_is_noted_in_a_complete_document(tmp_path, fake, monkeypatch):
    def busy(*, anyway: bool) -> str:
        assert anyway
        return "GPU 0 is busy, and was measured all the same"

    monkeypatch.setattr(busygpu, "check", busy)
    made = run(ThroughputOptions(serve=fake(), requests=4, prompts=PROMPTS, anyway=True), tmp_path / "result.json")
    assert (made["status"], made["note"]) == ("complete", "GPU 0 is busy, and was measured all the same")


def test_progress_of_answers_in_two_events_counts_their_tokens():
    class Live:
        def progress(self, now):
            self.last = now

    live = Live()
    one = session.Session(None, None, {}, None, live, None, None, None, tokens_by_request=100)  # type: ignore[arg-type]
    one.progress(session.Progress(1.0, 5, 2, 3, 1, 6, 5, None))
    assert live.last.output_tokens == 200
