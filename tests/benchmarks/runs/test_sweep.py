"""`sllm bench sweep`: cells as steps, and the document of those that are done. Engines and levels are simulated."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.loadgen.records import Level, Load, Request
from benchmarks.metrics.slo import SLO
from benchmarks.reports import document
from benchmarks.runs import matrix, sweep
from benchmarks.runs.sweep import SweepOptions
from benchmarks.suite.steps import Context, State, Step, write
from tests.benchmarks import sample_levels

MATRIX = matrix.checked(
    {
        "models": ["demo", {"model": "models/other"}],
        "flags": [{"name": "few", "engine": ["--max-num-seqs", "4"]}, {"name": "many"}],
        "load": {"concurrency": [1, 4, 8, 16], "rate": [2], "requests": 32, "repeat": 2, "slo": "ttft=1s"},
    },
    "sweep.yaml",
)
SERVER = {"url": "u", "model": "m", "engine": "vllm 0.32.0", "max_model_len": 2048}
CONTEXT_LENGTH = 100.0


def steps() -> list[Step]:
    return sweep.plan({"matrix": MATRIX})


def cell(model: str, flags: str, slots: int = 4, **over: Any) -> dict[str, Any]:
    levels = [
        document.level_entry(sample_levels.level(load, seed=repeat, slots=slots), repeat, SLO(ttft=1.0), prompt_set="random 128/128")
        | {"model": model, "flags": flags}
        for repeat in range(2)
        for load in matrix.levels(MATRIX)
    ]
    return {"model": model, "flags": flags, "server": SERVER, "levels": levels, "left_out": []} | over


def done(folder: Path, step: str, result: dict[str, Any] | None, cause: str | None = None) -> None:
    write(folder, State(step, step, "failed" if cause else "done", cause, 1, 20.0, "2026-11-21T12:00:00+00:00", result))


def assembled(folder: Path) -> dict[str, Any]:
    made = document.new("sweep", sweep.settings(MATRIX), "sllm bench sweep sweep.yaml", seed=0)
    sweep.assemble(made, folder, MATRIX, steps())
    return made


def rows(made: dict[str, Any], title: str) -> list[dict[str, Any]]:
    return next(table["rows"] for table in made["tables"] if table["title"] == title)


def test_a_step_is_one_model_with_one_set_of_flags() -> None:
    assert [step.id for step in steps()] == ["demo-few", "demo-many", "other-few", "other-many"]
    assert steps()[0].title == "demo, few: 10 levels"


def test_two_cells_of_one_name_are_refused() -> None:
    twice = matrix.checked({"models": ["demo"], "flags": [{"name": "a b"}, {"name": "a-b"}]}, "sweep.yaml")
    with pytest.raises(BenchUsageError, match="two cells would both be kept as 'demo-a-b'"):
        sweep.plan({"matrix": twice})


def test_the_document_holds_every_level_with_its_cell(tmp_path: Path) -> None:
    done(tmp_path, "demo-few", cell("demo", "few"))
    done(tmp_path, "other-many", cell("other", "many"))
    made = assembled(tmp_path)
    assert {(level["model"], level["flags"]) for level in made["levels"]} == {("demo", "few"), ("other", "many")}
    assert all(level["requests"] for level in made["levels"])
    document.save(made, tmp_path / "result.json")
    assert document.load(tmp_path / "result.json")["tables"] == made["tables"]


def test_a_row_is_the_median_of_its_rounds(tmp_path: Path) -> None:
    found = cell("demo", "few")
    done(tmp_path, "demo-few", found)
    speeds = [level["summary"]["output_tokens_per_second"] for level in found["levels"] if level["load"]["concurrency"] == 4]
    row = next(row for row in rows(assembled(tmp_path), "Every cell and load") if row["load"] == "concurrency 4")
    assert (row["tokens"], row["rounds"], row["failed"]) == (pytest.approx(sum(speeds) / 2), 2, 0)
    assert row["goodput"] == pytest.approx(100.0)


def test_each_cell_has_its_own_knee(tmp_path: Path) -> None:
    done(tmp_path, "demo-few", cell("demo", "few", slots=4))
    (row,) = rows(assembled(tmp_path), "Where each saturates")
    assert row["at"] == "concurrency 4"
    assert row["why"]


def test_pictures_have_a_line_a_cell_and_closed_loops_only(tmp_path: Path) -> None:
    done(tmp_path, "demo-few", cell("demo", "few"))
    done(tmp_path, "demo-many", cell("demo", "many"))
    for picture in assembled(tmp_path)["pictures"]:
        assert [(line["name"], [point[0] for point in line["points"]]) for line in picture["series"]] == [
            ("demo, few", [1, 4, 8, 16]),
            ("demo, many", [1, 4, 8, 16]),
        ]


def test_what_is_missing_failed_or_cut_is_in_the_note(tmp_path: Path) -> None:
    done(tmp_path, "demo-few", cell("demo", "few", left_out=["a", "b"]))
    done(tmp_path, "demo-many", None, "the engine ended")
    made = assembled(tmp_path)
    assert [row["status"] for row in rows(made, "Steps")] == ["done", "failed", "not measured yet", "not measured yet"]
    note = sweep.unfinished(made)
    assert note == (
        "failed: demo-many; not measured yet: other-few, other-many; demo-few: its time was over before 2 levels (`limit` in the file)"
    )


def test_all_cells_done_is_complete(tmp_path: Path) -> None:
    for step in steps():
        model, _, flags = step.id.partition("-")
        done(tmp_path, step.id, cell(model, flags))
    assert sweep.unfinished(assembled(tmp_path)) is None


class Engine:
    """Stands for the stack of a cell."""

    url, engine_target, model, ready_seconds = "http://127.0.0.1:1", "unix:/engine.sock", "m", 1.0

    def server(self) -> dict[str, Any]:
        return SERVER


class Asked:
    """Stands for prompts and levels; remembers where and what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **how: Any):
        self.how, self.targets, self.seeds = how, list[str](), list[int]()
        monkeypatch.setattr(sweep, "find", self.find)
        monkeypatch.setattr(sweep, "build", self.build)
        monkeypatch.setattr(sweep, "run_level", self.run_level)

    async def find(self, target: Any, model: str, local: Any) -> None:
        return None

    async def build(self, options: Any, tokenizer: Any, model: str, count: int, seed: int) -> list[Request]:
        self.seeds.append(seed)
        return [Request("/v1/completions", b"{}")] * count

    async def run_level(self, target: Any, requests: Any, load: Load, *, seed: int, timeout: float, stop: asyncio.Event) -> Level:
        self.targets.append(str(target))
        return sample_levels.level(load, **self.how)


def levels(context: Context, **load: Any) -> tuple[list[dict[str, Any]], list[str]]:
    small = matrix.checked({"models": ["demo"], "load": {"concurrency": [1, 4], "requests": 4, **load}}, "sweep.yaml")
    return asyncio.run(sweep._levels(context, Engine(), small, {"model": "demo", "flags": "default"}))  # type: ignore[arg-type]


def context(folder: Path, left: float = CONTEXT_LENGTH) -> Context:
    return Context(folder, "cell", time.monotonic() + left)


def test_levels_go_round_by_round_with_prompts_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    entries, left_out = levels(context(tmp_path), repeat=2)
    assert [(entry["repeat"], entry["load"]["concurrency"]) for entry in entries] == [(0, 1), (0, 4), (1, 1), (1, 4)]
    assert len(set(asked.seeds)) == 5
    assert left_out == []


@pytest.mark.parametrize(("through", "address"), [("gateway", "http://127.0.0.1:1"), ("engine", "unix:/engine.sock")])
def test_the_way_is_the_one_that_the_file_names(through: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    levels(context(tmp_path), through=through)
    assert set(asked.targets) == {address}


def test_what_the_time_does_not_suffice_for_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch)
    entries, left_out = levels(context(tmp_path, left=1.0))
    assert (entries, left_out) == ([], ["random 128/128, concurrency 1, round 1", "random 128/128, concurrency 4, round 1"])


def test_an_engine_that_answers_nothing_fails_the_cell_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch, failed=1.0)
    with pytest.raises(BenchError, match="none of 8 requests was answered: status 503: the queue is full"):
        levels(context(tmp_path))


def test_a_file_that_changed_is_not_mixed_with_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "run_steps", lambda *args, **more: sweep.Outcome(None, ()))
    file = tmp_path / "sweep.yaml"
    file.write_text("models: [demo]\nload: {concurrency: [1]}")
    made = sweep.run(SweepOptions(file, tmp_path / "out"), lambda line: None)
    assert (made["status"], made["note"]) == ("partial", "not measured yet: demo-default")
    file.write_text("models: [demo]\nload: {concurrency: [2]}")
    with pytest.raises(BenchUsageError, match="holds the steps of another run: name another folder with --out"):
        sweep.run(SweepOptions(file, tmp_path / "out"), lambda line: None)
