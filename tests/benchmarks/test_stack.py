"""The stack under test as a process, with a stand-in for `sllm serve`; the real one is in tests/e2e/test_bench_engines.py."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.stack import CONFIG, ROOT, Stack, cause, get, merged, model_folder, series
from tests.scripted import json_answer, scripted_in_thread

# Says what it was started with, then waits: a stand-in for `sllm serve --json`.
SERVES = """
import json, os, sys, time
open(os.environ["TOLD"], "w").write(json.dumps({"words": sys.argv[1:], "pid": os.getpid(), "cache": os.environ["SLLM_CACHE__STORE"]}))
models = [{"name": "m", "kind": "chat", "engine": "unix:/e.sock"}]
print(json.dumps({"event": "ready", "address": os.environ["ADDRESS"], "models": models}), flush=True)
time.sleep(600)
"""


@pytest.fixture
def gateway():
    with scripted_in_thread(json_answer({"ready": True})) as engine:
        yield engine


def stack(tmp_path: Path, program: str, model: str | None = "m", flags: tuple[str, ...] = (), address: str = "", **options) -> Stack:
    environ = {"TOLD": str(tmp_path / "told.json"), "ADDRESS": address}
    return Stack(model, flags, environ=environ, command=[sys.executable, "-c", program], **options)


def told(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "told.json").read_text())


def gone(pid: int) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_it_serves_the_model_with_the_engines_flags_and_without_the_cache(tmp_path, gateway):
    with stack(tmp_path, SERVES, "m", ("--max-num-seqs", "8"), gateway.url) as running:
        assert (running.url, running.engine_target, running.model) == (gateway.url, "unix:/e.sock", "m")
        assert running.ready_seconds > 0
    words = told(tmp_path)["words"]
    assert words[:2] == ["serve", "m"]
    assert words[-3:] == ["--", "--max-num-seqs", "8"]
    assert told(tmp_path)["cache"] == "off"


def test_without_a_model_none_is_named(tmp_path, gateway):
    with stack(tmp_path, SERVES, None, (), gateway.url):
        assert told(tmp_path)["words"][:2] == ["serve", "--port"]


def test_it_ends_with_the_block_and_leaves_no_folder(tmp_path, gateway):
    with stack(tmp_path, SERVES, address=gateway.url, logs=tmp_path / "logs") as running:
        assert running.alive
    assert not running.alive
    assert gone(told(tmp_path)["pid"])
    assert list((tmp_path / "logs").iterdir()) == []


def test_ctrl_c_while_it_starts_ends_it(tmp_path, gateway):
    never_ready = SERVES.replace("print(", "str(").replace(", flush=True", "") + "\n"
    code = (
        "import sys, signal\nfrom pathlib import Path\nfrom benchmarks.stack import Stack\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"environ = {{'TOLD': {str(tmp_path / 'told.json')!r}, 'ADDRESS': ''}}\n"
        f"command = [sys.executable, '-c', {never_ready!r}]\n"
        f"Stack('m', environ=environ, logs=Path({str(tmp_path / 'logs')!r}), command=command).__enter__()"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while not (tmp_path / "told.json").is_file() or not (tmp_path / "told.json").read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    ours.send_signal(signal.SIGINT)
    assert ours.wait(30) != 0
    assert gone(told(tmp_path)["pid"])
    assert list((tmp_path / "logs").iterdir()) == []


def test_a_sigkill_of_the_benchmark_ends_it_too(tmp_path, gateway):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom benchmarks.stack import Stack\n"
        f"environ = {{'TOLD': {str(tmp_path / 'told.json')!r}, 'ADDRESS': {gateway.url!r}}}\n"
        f"command = [sys.executable, '-c', {SERVES!r}]\n"
        f"Stack('m', environ=environ, logs=Path({str(tmp_path)!r}), command=command).__enter__()\n"
        "print('up', flush=True)\ntime.sleep(600)"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert ours.stdout is not None
    assert ours.stdout.readline() == "up\n"
    ours.kill()
    ours.wait()
    ours.stdout.close()
    assert gone(told(tmp_path)["pid"])


def test_an_error_of_the_command_line_keeps_its_words_and_its_exit_code(tmp_path):
    says = 'import json, sys; print(json.dumps({"error": {"message": "no model \'x\'", "exit_code": 2}})); sys.exit(2)'
    with pytest.raises(BenchUsageError, match=r"^m cannot be measured: no model 'x'$"):
        stack(tmp_path, says).__enter__()


def test_an_engine_that_fails_is_told_with_its_cause_and_where_the_log_is_kept(tmp_path):
    fails = """
import sys
from pathlib import Path
logs = Path(sys.argv[sys.argv.index("--data-dir") + 1]) / "logs"
logs.mkdir()
(logs / "engine-m.log").write_text("boom\\n")
print(f"12:00:00 m: failed after 9.0 s: no kernel; log: {logs / 'engine-m.log'}", file=sys.stderr)
"""
    logs = tmp_path / "logs"
    with pytest.raises(BenchError, match=rf"^m cannot be measured: no kernel; log: {logs}/engine-m.log$"):
        stack(tmp_path, fails, logs=logs).__enter__()
    assert (logs / "engine-m.log").read_text() == "boom\n"


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("12:00:00 demo: loading\n12:00:09 demo: failed after 9.0 s: no kernel\n12:00:10 stopped\n", "no kernel"),
        ("error: no model at x\n", "no model at x"),
        ("Traceback\nValueError: boom\n", "ValueError: boom"),
        ("", "it ended without a word"),
    ],
)
def test_the_cause_is_the_last_thing_that_went_wrong(said, sentence):
    assert cause(said) == sentence


def test_a_configuration_is_laid_over_ours_section_by_section():
    both = merged(CONFIG, {"gateway": {"workers": 2}, "models": [{"name": "m", "path": "m"}]})
    assert both["gateway"] == {**CONFIG["gateway"], "workers": 2}
    assert both["restart"] == CONFIG["restart"]
    assert both["models"] == [{"name": "m", "path": "m"}]


def test_a_folder_is_found_and_a_hub_id_is_none(tmp_path):
    assert model_folder(str(tmp_path)) == tmp_path
    assert model_folder(None) == ROOT / "models/demo"
    assert model_folder("Qwen/Qwen3-0.6B") is None


def test_a_series_is_its_sum_and_its_samples_that_labels_tell_apart():
    text = (
        '# HELP d drafts\nd_total{engine="0",model_name="m"} 3.0\nd_total{engine="1",model_name="m"} 4.0\n'
        'p_total{engine="0",model_name="m",position="0"} 2.0\np_total{engine="0",model_name="m",position="1"} 1e1\nbad{x="y"} soon\n'
    )
    assert series(text) == {"d_total": 7.0, "p_total": 12.0, 'p_total{position="0"}': 2.0, 'p_total{position="1"}': 10.0}


def test_an_engine_is_asked_over_its_unix_socket(tmp_path):
    import http.server
    import socketserver
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *words: object) -> None:
            pass

    with socketserver.UnixStreamServer(str(tmp_path / "s"), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert get(f"unix:{tmp_path}/s", "/metrics") == (200, b"ok")
        thread.join()


def test_an_engine_that_is_gone_is_one_sentence(tmp_path):
    gone_one = stack(tmp_path, "")
    gone_one.engine_target = f"unix:{tmp_path}/nobody"
    with pytest.raises(BenchError, match="does not tell its metrics"):
        gone_one.metrics()
    gone_one.stop()
    assert not os.path.exists(gone_one.scratch)
