"""Steps: run once, resumed, failed, cut off. Each is a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.suite import child
from benchmarks.suite.steps import Outcome, Step, chosen, planned, read, run_steps, write_plan
from tests.benchmarks.suite import fakes


def steps_of(folder: Path, *names: str, needs: dict[str, list[str]] | None = None, **options: Any) -> list[Step]:
    return write_plan(folder, fakes.SOURCE, {"steps": [[name, (needs or {}).get(name, [])] for name in names], **options})


def run(folder: Path, steps: list[Step], **more: Any) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    return run_steps(steps, folder, say=said.append, **more), said


def ran(folder: Path) -> list[str]:
    return (folder / "ran.txt").read_text().split() if (folder / "ran.txt").exists() else []


def test_a_step_runs_in_a_process_of_its_own_and_its_result_is_a_file(tmp_path: Path) -> None:
    run(tmp_path, steps_of(tmp_path, "good", word="한국어"))
    state = read(tmp_path, "good")
    assert state is not None
    assert state.status == "done"
    assert state.result is not None
    assert (state.result["said"], state.result["process"] == os.getpid()) == ("한국어", False)


def test_what_is_done_is_not_run_again(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, "good", "other")
    run(tmp_path, steps, only="good")
    outcome, said = run(tmp_path, steps)
    assert ran(tmp_path) == ["good", "other"]
    assert outcome == Outcome(None, ("other",))
    assert said[0] == "[1/2] good: done"


def test_a_step_that_fails_keeps_its_cause_and_the_others_go_on(tmp_path: Path) -> None:
    outcome, said = run(tmp_path, steps_of(tmp_path, "refused", "good"))
    state = read(tmp_path, "refused")
    assert state is not None
    assert (state.status, state.cause, state.result) == ("failed", "the GPU is busy: wait for it", None)
    assert outcome == Outcome(None, ("refused", "good"))
    assert any(line.endswith("the GPU is busy: wait for it") for line in said)


def test_an_error_of_ours_is_a_cause_of_one_line_and_a_trace_in_the_log(tmp_path: Path) -> None:
    run(tmp_path, steps_of(tmp_path, "broken"))
    state = read(tmp_path, "broken")
    assert state is not None
    assert state.cause == "KeyError: 'there'"
    assert "Traceback" in (tmp_path / "steps/broken.log").read_text()


def test_a_failed_step_is_tried_once_more_and_then_only_with_again(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, "refused")
    for expected, again in ((1, False), (2, False), (2, False), (3, True)):
        run(tmp_path, steps, again=again)
        assert len(ran(tmp_path)) == expected


def test_a_step_that_succeeds_the_second_time_is_done(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, "once")
    run(tmp_path, steps)
    run(tmp_path, steps)
    state = read(tmp_path, "once")
    assert state is not None
    assert (state.status, state.attempts, state.cause) == ("done", 2, None)


def test_a_crash_is_a_failure_that_names_the_signal_and_the_end_of_the_log(tmp_path: Path) -> None:
    run(tmp_path, steps_of(tmp_path, "crash", "good"))
    state = read(tmp_path, "crash")
    assert state is not None
    assert state.status == "failed"
    assert state.cause is not None
    assert "SIGKILL" in state.cause
    assert "about to crash" in state.cause
    assert ran(tmp_path) == ["good"]


def test_what_a_crash_leaves_behind_is_gone_before_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "ENDING", 0.2)
    run(tmp_path, steps_of(tmp_path, "orphaning"))
    assert not Path(f"/proc/{(tmp_path / 'orphan').read_text()}").exists()


def test_a_step_over_its_time_is_told_to_end_and_marked_failed(tmp_path: Path) -> None:
    run(tmp_path, steps_of(tmp_path, "slow", "good"), limit=2.0)
    state = read(tmp_path, "slow")
    assert state is not None
    assert state.cause is not None
    assert state.cause.startswith("it took longer than 2 s")
    assert (tmp_path / "ended").exists()
    assert fakes.gone(int((tmp_path / "inner").read_text()))
    assert ran(tmp_path) == ["good"]


def test_a_step_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "ENDING", 0.2)
    run(tmp_path, steps_of(tmp_path, "stubborn"), limit=2.0)
    assert fakes.gone(int((tmp_path / "inner").read_text()))


def test_a_running_step_knows_how_much_time_it_has(tmp_path: Path) -> None:
    run(tmp_path, steps_of(tmp_path, "deadline"), limit=100.0)
    state = read(tmp_path, "deadline")
    assert state is not None
    assert state.result is not None
    assert 0 < state.result["left"] <= 75  # a quarter is for ending what it started


def test_a_step_waits_for_what_it_needs(tmp_path: Path) -> None:
    outcome, said = run(tmp_path, steps_of(tmp_path, "refused", "good", needs={"good": ["refused"]}))
    assert outcome.ran == ("refused",)
    assert said[-1] == "[2/2] good: needs the step refused, which is not done"


def test_no_step_is_begun_that_does_not_fit_into_what_is_left(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, steps_of(tmp_path, "good"), limit_total=0.5)
    assert outcome.stopped == "the time of this run is over (0 s): the same command goes on with good"
    assert ran(tmp_path) == []


def test_a_step_cut_off_by_the_runs_time_is_no_failure(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, steps_of(tmp_path, "slow"), limit_total=2.5)
    assert outcome.stopped is not None
    assert outcome.stopped.startswith("the time of this run is over")
    assert read(tmp_path, "slow") is None


def test_what_the_runs_time_cuts_short_is_left_for_the_next_run(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, steps_of(tmp_path, "cut_short"), limit_total=20.0)
    assert outcome.stopped == "the time of this run is over: the same command goes on with the step that was cut off"
    assert read(tmp_path, "cut_short") is None


def test_what_the_steps_own_time_cuts_short_is_kept(tmp_path: Path) -> None:
    run(tmp_path, steps_of(tmp_path, "cut_short"), limit=10.0, limit_total=1000.0)
    state = read(tmp_path, "cut_short")
    assert state is not None
    assert (state.status, state.result) == ("done", {"cut": True})


def test_ctrl_c_ends_the_running_step_and_keeps_what_is_done(tmp_path: Path) -> None:
    steps_of(tmp_path, "good", "slow", "other")
    code = (
        "import sys, pathlib; from benchmarks.suite.steps import *; folder = pathlib.Path(sys.argv[1]);"
        "print(run_steps(planned(folder), folder, say=lambda line: None).stopped)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    inner = int(fakes.wait_for(tmp_path / "inner"))
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert said.strip() == "interrupted at slow: the same command goes on there"
    assert fakes.gone(inner)
    assert [read(tmp_path, name) is not None for name in ("good", "slow", "other")] == [True, False, False]


def test_steps_end_with_the_process_that_runs_them(tmp_path: Path) -> None:
    steps_of(tmp_path, "slow")
    code = (
        "import sys, pathlib; from benchmarks.suite.steps import *; folder = pathlib.Path(sys.argv[1]); run_steps(planned(folder), folder)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.DEVNULL)
    inner = int(fakes.wait_for(tmp_path / "inner"))
    process.kill()
    process.wait()
    assert fakes.gone(inner)


def test_only_takes_patterns_and_names_the_steps_where_none_matches(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, "good", "other", "third")
    run(tmp_path, steps, only="g*, third")
    assert ran(tmp_path) == ["good", "third"]
    with pytest.raises(BenchUsageError, match="no step matches --only cell-x: the steps are good, other, third"):
        run(tmp_path, steps, only="cell-x")


@pytest.mark.parametrize(
    ("only", "expected"),
    [("goo", ["good", "goods"]), ("GOOD", ["good"]), ("?th*", ["other"]), ("other,third", ["other", "third"]), ("good", ["good"])],
)
def test_a_pattern_may_be_a_part_of_an_id_and_an_id_is_itself(only: str, expected: list[str], tmp_path: Path) -> None:
    steps = [*steps_of(tmp_path, "good", "other", "third"), Step("goods", "", lambda context: {})]
    assert [step.id for step in chosen(steps, only)] == expected


def test_a_folder_that_is_called_as_ours_is_not_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/__init__.py").write_text("raise SystemExit('another benchmarks')")
    monkeypatch.chdir(tmp_path)
    run(tmp_path, steps_of(tmp_path, "good"))
    assert ran(tmp_path) == ["good"]


def test_a_folder_keeps_the_steps_of_one_matrix(tmp_path: Path) -> None:
    steps_of(tmp_path, "good")
    with pytest.raises(BenchUsageError, match="holds the steps of another run"):
        steps_of(tmp_path, "other")


def test_a_broken_state_file_means_not_run(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, "good")
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps/good.json").write_text('{"id": "good", "status":')
    run(tmp_path, steps)
    assert ran(tmp_path) == ["good"]


def test_the_plan_is_read_from_the_folder_alone(tmp_path: Path) -> None:
    made = steps_of(tmp_path, "good", "other")
    assert [step.id for step in planned(tmp_path)] == [step.id for step in made]


def test_after_each_step_the_caller_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    run(tmp_path, steps_of(tmp_path, "good", "refused"), after=lambda: told.append(len(ran(tmp_path))))
    assert told == [1, 2]
