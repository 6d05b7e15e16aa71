import json
import shlex
import subprocess
import sys

import pytest

from benchmarks.provenance import ROOT, shown
from benchmarks.scenarios import SCENARIOS

FAST = [s.name for s in SCENARIOS if not s.once]
MOCK = f"{shlex.quote(sys.executable)} -m benchmarks.mock --port {{port}}"


def bench(*flags):
    argv = [sys.executable, "-m", "benchmarks.gateway", "--rounds", "1", "--seconds", "0.05", "--warm", "0", *flags]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A run in which a second mock stands for our gateway, and a third for the peer."""
    out = tmp_path_factory.mktemp("bench") / "report.json"
    done = bench("--gateway", MOCK, "--peer", f"twin={MOCK}", "--no-quiet", "--out", str(out), "--json", *(f"--only={s}" for s in FAST))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(out.read_text())
    return json.loads(done.stdout)


def test_every_scenario_is_measured_for_every_subject(report):
    measured = {(row["scenario"], row["subject"]) for row in report["summary"]}
    assert measured == {(scenario, subject) for scenario in FAST for subject in ("none", "sllm", "twin")}


def test_no_answer_of_the_mock_is_wrong(report):
    assert all(row["wrong"] == 0 and row["requests"] > 0 for row in report["summary"])


def test_the_report_says_where_its_figures_come_from(report):
    assert {"date", "cpu", "cores", "kernel", "python", "versions", "revision"} <= set(report["provenance"])
    assert str(ROOT) not in json.dumps(report)


def test_the_memory_of_every_gateway_is_reported(report):
    assert {name for name, memory in report["memory"].items() if memory["peak_bytes"] > 2**20} == {"sllm", "twin"}


def test_a_gateway_that_does_not_start_is_named():
    done = bench("--gateway", f"{shlex.quote(sys.executable)} -c 'raise SystemExit(2)'", "--peer", f"twin={MOCK}")
    assert done.returncode == 1
    assert "sllm ended with code 2" in done.stdout + done.stderr


def test_a_command_is_shown_without_this_machines_folders():
    assert shown(f"{sys.executable} -m benchmarks.mock {ROOT}/configs/a.yaml") == "python -m benchmarks.mock configs/a.yaml"
