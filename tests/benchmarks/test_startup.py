import json
import shlex
import subprocess
import sys

from benchmarks.provenance import ROOT

MOCK = f"{shlex.quote(sys.executable)} -m benchmarks.mock --port {{port}}"


def test_every_start_is_measured_until_it_listens_and_until_the_first_token(tmp_path):
    out = tmp_path / "report.json"
    argv = [sys.executable, "-m", "benchmarks.startup", "--command", f"mock={MOCK}", "--rounds", "2", "--out", str(out), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report == json.loads(done.stdout)
    assert [(r["command"], r["round"]) for r in report["rounds"]] == [("mock", 0), ("mock", 1)]
    assert all(0 < r["listening"] <= r["first_token"] for r in report["rounds"])
