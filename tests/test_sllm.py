"""The command line: exit codes, one sentence an error, JSON for programs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer.testing
import yaml

import sllm
from server.settings import ROOT, Gateway, load

COMMANDS = ["serve", "gateway", "batch", "chat", "quantize", "evaluate", "plan", "doctor", "config show", "config check"]
COMMANDS += ["cache stats", "cache flush", "cache calibrate", "guard check", "guard test"]
COMMANDS += [
    f"bench {word}" for word in ("serve", "throughput", "latency", "batching", "speculation", "sweep", "suite", "compare", "gateway")
]
runner = typer.testing.CliRunner()


def command(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "sllm.py", *words], capture_output=True, text=True, cwd=ROOT, timeout=120, **options)  # type: ignore[call-overload,no-any-return]


# Help


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_help_and_json(words: str):
    shown = runner.invoke(sllm.app, [*words.split(), "--help"])
    assert shown.exit_code == 0
    assert "--json" in shown.output


def test_bench_is_ours_where_another_distribution_brings_a_folder_of_that_name(tmp_path: Path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("raise ImportError('another benchmarks')")
    code = "import sys; sys.argv = ['sllm', 'bench', 'compare', 'a.json', 'b.json']; import sllm; sys.exit(sllm.main())"
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: a.json"), done.stderr


def test_help_names_each_command_that_there_is_and_no_other():
    shown = runner.invoke(sllm.app, ["--help"]).output
    listed = [
        line.split()[0] for line in shown.split("Commands:")[1].splitlines() if line.strip() and line.startswith("  ") and line[2] != " "
    ]
    assert listed == ["serve", "gateway", "batch", "chat", "quantize", "evaluate", "plan", "doctor", "config", "cache", "guard", "bench"]


def test_a_flag_shows_the_default_and_the_words_of_its_field():
    shown = " ".join(runner.invoke(sllm.app, ["serve", "--help"]).output.split())
    for name in ("host", "port", "workers"):
        field = Gateway.model_fields[name]
        assert f"{field.description} [default: {field.default}]" in shown


@pytest.mark.parametrize("words", [[], ["config"], ["cache"], ["guard"], ["bench"]])
def test_no_command_shows_the_help_and_is_wrong_usage(words: list[str], capfd: pytest.CaptureFixture[str]):
    assert sllm.main(words) == 2
    out, err = capfd.readouterr()
    assert out.startswith("Usage: sllm")
    assert err == ""


def test_help_comes_at_once():
    began = time.monotonic()
    fastest = min(_seconds("--help") for _ in range(3))
    assert fastest < 1.0, time.monotonic() - began


def _seconds(*words: str) -> float:
    began = time.monotonic()
    assert command(*words).returncode == 0
    return time.monotonic() - began


def test_it_runs_as_a_module_too():
    assert subprocess.run([sys.executable, "-m", "sllm", "--version"], capture_output=True, text=True, cwd=ROOT).stdout.startswith(
        "sllm 0."
    )


# Errors


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["sreve"], 2, "Did you mean 'serve'?"),
        (["serve", "--prot", "1"], 2, "--port"),
        (["serve", "--port", "99999"], 2, "'--port'"),
        (["serve", "--engine", "tpu"], 2, "'--engine'"),
        (["serve", "--config", "/none.yaml"], 2, "no configuration file at /none.yaml"),
        (["serve", "./none"], 1, "no model './none'"),
        (["serve", "--", "-tp", "2"], 2, "write its long name"),
        (["serve", "--config", "configs/serve/chat-and-embeddings.yaml", "--", "--seed", "1"], 2, "use `engine_args:` in the file"),
        (["gateway"], 2, "add --upstream http://host:port"),
        (["gateway", "--upstream", "127.0.0.1:1"], 1, "http://127.0.0.1:1 does not answer"),
        (["chat", "--url", "127.0.0.1:1"], 1, "no server answers at http://127.0.0.1:1/v1"),
        (["quantize", "./none"], 1, "no model './none'"),
        (["quantize", "--method", "gtpq"], 2, "did you mean 'gptq'?"),
        (["quantize", "--damping", "2"], 2, "'damping' must be less than 1"),
        (["quantize", "--bits", "3"], 2, "'bits' must be"),
        (["quantize", "--recipe", "/none.yaml"], 2, "no recipe file at /none.yaml"),
        (["quantize", "--config", "configs/serve/chat-and-embeddings.yaml"], 2, "name one of"),
        (["quantize", "tests"], 1, "tests"),
        (["quantize", "--method", "int8", "--out", "models"], 2, "holds the model itself"),
        (["quantize", "--method", "gptq", "--group-size", "96", "--out", "/tmp/none"], 1, "use --group-size"),
        (["config", "check"], 2, "Missing argument"),
        (["frobnicate"], 2, "see `sllm --help`"),
        (["config", "chek"], 2, "Did you mean 'check'?"),
    ],
)
def test_a_mistake_is_one_sentence_on_stderr_and_its_exit_code(
    words: list[str], code: int, message: str, capfd: pytest.CaptureFixture[str]
):
    assert sllm.main(words) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err


def test_with_json_an_error_is_one_line_on_stdout(capfd: pytest.CaptureFixture[str]):
    assert sllm.main(["serve", "./none", "--json"]) == 1
    out, err = capfd.readouterr()
    assert json.loads(out)["error"]["exit_code"] == 1
    assert err == ""


def test_a_json_flag_of_the_engine_is_not_ours(capfd: pytest.CaptureFixture[str]):
    assert sllm.main(["serve", "./none", "--", "--json"]) == 1
    assert capfd.readouterr().err.startswith("error: ")


def test_the_exit_code_reaches_the_shell_without_a_stack_trace():
    done = command("serve", "./none")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr


def test_debug_shows_the_stack_trace():
    assert "Traceback" in command("--debug", "serve", "./none").stderr


def test_a_wrong_variable_is_wrong_usage(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setenv("SLLM_GATEWAY__PROT", "1")
    assert sllm.main(["serve"]) == 2
    assert "SLLM_GATEWAY__PROT" in capfd.readouterr().err


def test_ctrl_c_is_quiet():
    code = "import sllm, signal, os; sllm.load = lambda *a: os.kill(os.getpid(), signal.SIGINT); raise SystemExit(sllm.main(['serve']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


# config


def test_config_show_is_yaml_that_loads_as_what_it_shows(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    file = ROOT / "configs/serve/lora-and-personas.yaml"
    assert sllm.main(["config", "show", "--config", str(file)]) == 0
    shown = tmp_path / "shown.yaml"
    shown.write_text(capfd.readouterr().out, encoding="utf-8")
    assert load(shown) == load(file)


def test_config_show_for_programs_is_one_json_object(capfd: pytest.CaptureFixture[str]):
    assert sllm.main(["config", "show", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["gateway"]["port"] == 8000


def test_config_check_says_ok_or_the_nearest_key(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    file = tmp_path / "f.yaml"
    file.write_text(yaml.safe_dump({"models": [{"name": "a", "path": "./none"}]}))
    assert sllm.main(["config", "check", str(file)]) == 0
    assert capfd.readouterr().out.splitlines()[-1] == f"ok: {file}"
    file.write_text("modles: []\n")
    assert sllm.main(["config", "check", str(file)]) == 2
    assert "did you mean 'models'?" in capfd.readouterr().err


# doctor


def test_doctor_for_programs_lists_every_check(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code = sllm.main(["doctor", "--json", "--port", "0"])
    report = json.loads(capfd.readouterr().out)
    assert code == (0 if report["ok"] else 1)
    assert {"Python", "Engine", "Hub"} <= {check["name"] for check in report["checks"]}


# gateway, as it runs


def test_a_gateway_over_a_running_server_says_ready_as_json_and_ends_on_sigterm(tmp_path: Path):
    from tests.server.terminal.scripted import ScriptedServer

    with ScriptedServer(models=("demo",)) as server:
        words = ["gateway", "--upstream", server.url, "--port", "0", "--data-dir", str(tmp_path), "--json"]
        process = subprocess.Popen([sys.executable, "sllm.py", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            assert process.stdout
            ready = json.loads(process.stdout.readline())
            assert ready["models"] == [{"name": "demo", "kind": "chat"}]
            done = command("chat", "--url", ready["base_url"], input="hello\n")
            assert (done.stdout, done.stderr) == ("hello!\n", "")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.communicate()
