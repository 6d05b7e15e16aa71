from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import provenance
from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.loadgen.records import Level
from benchmarks.metrics.slo import SLO
from benchmarks.reports import document
from tests.benchmarks.sample_levels import arrivals, bench, closed, level, saved


def changed(folder: Path, change: dict[str, Any]) -> Path:
    file = saved(folder, loads=[closed(1, 2)])
    made = json.loads(file.read_text()) | change
    file.write_text(json.dumps({key: value for key, value in made.items() if value is not None}))
    return file


def test_what_was_saved_is_loaded_again(tmp_path: Path) -> None:
    made = bench([closed(1, 4), arrivals(5, 4)], repeat=2, slo=SLO(ttft=0.2))
    document.save(made, tmp_path / "new/result.json")
    assert document.load(tmp_path / "new/result.json") == made


def test_a_document_says_where_its_figures_come_from() -> None:
    made = document.new("serve", {"repeat": 1}, "sllm bench serve", seed=7, server={"url": "http://a:1", "model": "demo"})
    parts = made["provenance"]
    assert (made["format"], made["version"], made["kind"], made["status"]) == ("sllm-bench", 1, "serve", "partial")
    assert (parts["seed"], parts["command"], parts["finished"]) == (7, "sllm bench serve", None)
    assert parts["versions"]["sllm-stack"]
    assert {"date", "cpu", "cores", "kernel", "python", "gpus", "load_average"} <= parts.keys()


def test_a_run_in_progress_is_partial_and_loads(tmp_path: Path) -> None:
    file = saved(tmp_path, loads=[closed(1, 2)], status="partial")
    assert document.load(file)["status"] == "partial"


def test_a_level_that_was_cut_off_makes_the_document_partial_with_its_reason() -> None:
    made = bench([closed(1, 2)], partial="the server stopped answering after 3 s")
    assert (made["status"], made["note"]) == ("partial", "the server stopped answering after 3 s")


def test_a_run_to_its_end_is_complete_with_a_date() -> None:
    made = bench([closed(1, 2)])
    assert (made["status"], made["note"]) == ("complete", None)
    assert made["provenance"]["finished"] >= made["provenance"]["date"]


def test_no_folder_of_this_machine_is_in_a_document(tmp_path: Path) -> None:
    home = str(Path.home() / "secret")
    command = (
        f"{sys.executable} -m benchmarks --dataset {home}/own.jsonl --out={tmp_path}/x --url unix:{tmp_path}/engine.sock http://a/v1/b"
    )
    made = document.new("serve", {"dataset": Path(home) / "own.jsonl"}, command, seed=0, server={"url": f"unix:{tmp_path}/engine.sock"})
    text = json.dumps(made)
    assert str(tmp_path) not in text
    assert home not in text
    assert str(provenance.ROOT) not in text
    assert made["provenance"]["command"] == "python -m benchmarks --dataset own.jsonl --out=x --url unix:engine.sock http://a/v1/b"
    assert made["provenance"]["server"]["url"] == "unix:engine.sock"
    assert made["settings"]["dataset"] == "own.jsonl"


def test_a_request_of_the_document_is_the_record_it_was_made_of() -> None:
    made = level(closed(2, 6), failed=0.3)
    entry = document.level_entry(made, 0, None)
    for request, record in zip(entry["requests"], made.records, strict=True):
        back = document.record(request)
        assert back.times == pytest.approx(record.times, abs=2e-5)
        assert back.end == pytest.approx(record.end, abs=1e-6)
        assert replace(back, times=[], **times(record)) == replace(record, times=[])


def times(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in ("scheduled", "sent", "first", "first_content", "last", "end")}


def test_a_level_keeps_its_load_its_delay_and_its_prompt_set() -> None:
    entry = document.level_entry(level(arrivals(float("inf"), 3)), 2, None, prompt_set="random 128/32")
    assert entry["load"] == {"mode": "open", "concurrency": None, "rate": "inf", "requests": 3, "seconds": None, "burstiness": 1.0}
    assert (entry["repeat"], entry["prompt_set"]) == (2, "random 128/32")
    assert entry["generator"] == {
        "loop_ms": {"p50": 0.05, "p99": 0.4, "max": 1.1},
        "send_ms": {"p50": 0.06, "p99": 0.5, "max": 1.4},
        "cpu": 0.21,
    }


def test_figures_that_json_lacks_do_not_break_a_document(tmp_path: Path) -> None:
    made = level(closed(1, 2))
    odd = Level(made.load, made.records, made.seconds, made.started, replace(made.delay, cpu=float("nan"), loop_max=float("inf")))
    whole = bench([closed(1, 2)])
    whole["levels"].append(document.level_entry(odd, 1, None))
    document.save(whole, tmp_path / "result.json")
    assert document.load(tmp_path / "result.json")["levels"][1]["generator"]["cpu"] is None


def test_a_save_that_fails_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    file = saved(tmp_path, loads=[closed(1, 2)])
    before = file.read_text()
    with pytest.raises((TypeError, ValueError)):
        document.save(bench([closed(1, 2)]) | {"checks": {"broken": float("nan")}}, file)
    assert file.read_text() == before
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_place_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match=r"cannot be written .*--out"):
        document.save(bench([closed(1, 2)]), tmp_path / "file/result.json")


def test_a_request_stands_on_one_line(tmp_path: Path) -> None:
    lines = saved(tmp_path, loads=[closed(1, 5)]).read_text().splitlines()
    assert sum(line.startswith('{"i":') for line in lines) == 5
    assert len(lines) < 250


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_told_so(tmp_path: Path, share: float) -> None:
    file = saved(tmp_path, loads=[closed(1, 4)])
    text = file.read_text().strip()
    file.write_text(text[: int(len(text) * share)])
    with pytest.raises(BenchUsageError, match=r"is cut off after .* copy it again"):
        document.load(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not JSON"),
        (b"level,requests\n1,2\n", "is not JSON"),
        (b"[1, 2]", "is not a result of `sllm bench`"),
        (b'{"a": 1}', "is not a result of `sllm bench`"),
        (b"\xff\xfe\x00", "is not a text file"),
    ],
)
def test_what_is_no_result_is_told_so(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(BenchUsageError, match=says):
        document.load(tmp_path / "x.json")


def test_a_file_that_is_not_there_or_is_a_folder_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(BenchUsageError, match="cannot be read"):
        document.load(tmp_path / "none.json")
    with pytest.raises(BenchUsageError, match=r"is a folder: give the file, .*result\.json"):
        document.load(tmp_path)


@pytest.mark.parametrize(
    ("version", "says"), [(2, "format version 2; this sllm reads 1: update"), (0, "run the benchmark again"), (None, "None")]
)
def test_another_version_is_refused(tmp_path: Path, version: int | None, says: str) -> None:
    with pytest.raises(BenchUsageError, match=says):
        document.load(changed(tmp_path, {"version": version}))


@pytest.mark.parametrize("part", ["kind", "status", "provenance", "settings", "levels"])
def test_a_part_that_is_missing_is_named(tmp_path: Path, part: str) -> None:
    with pytest.raises(BenchUsageError, match=f"no usable '{part}'"):
        document.load(changed(tmp_path, {part: None}))


@pytest.mark.parametrize("entry", [{}, 3, {"load": {}, "repeat": 0, "seconds": 1.0}])
def test_a_level_that_misses_a_part_is_named(tmp_path: Path, entry: Any) -> None:
    with pytest.raises(BenchUsageError, match="level 0 has no usable"):
        document.load(changed(tmp_path, {"levels": [entry]}))


def test_gpus_are_read_from_nvidia_smis_table() -> None:
    table = "NVIDIA H200, 143771, 570.86.15\nNVIDIA GB10, [N/A], 580.95.05\n\n"
    assert provenance.gpus_of(table) == [
        {"name": "NVIDIA H200", "memory_bytes": 143771 * 2**20, "driver": "570.86.15"},
        {"name": "NVIDIA GB10", "memory_bytes": None, "driver": "580.95.05"},
    ]


def test_a_kept_document_names_no_folder_of_this_machine(tmp_path: Path):
    made = document.new("suite", {}, "sllm bench suite gpu", seed=0)
    made["steps"] = [{"flags": [json.dumps({"model": str(provenance.ROOT / "models/demo/draft")})]}]
    document.save(made, tmp_path / "result.json")
    text = (tmp_path / "result.json").read_text()
    assert str(provenance.ROOT) not in text
    assert json.loads(json.loads(text)["steps"][0]["flags"][0]) == {"model": "models/demo/draft"}
