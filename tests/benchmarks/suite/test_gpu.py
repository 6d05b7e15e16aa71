"""The suite's steps, and the document of what some of them found: tables from simulated levels."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reports import document
from benchmarks.suite import gpu
from benchmarks.suite.scale import CPU, GPU, SCALES
from benchmarks.suite.steps import LIMIT, State, due, write
from tests.benchmarks import sample_levels

GIB = 2**30
RATES = {"device": "H200", "torch": "2.11", "threads": 8, "read_bytes_per_second": 4.0e12, "copy_bytes_per_second": 4.2e12}
RATES |= {"bf16": 7.9e14, "fp8": 1.4e15}


def levels(part: str = "load", lengths: str = "128/128", concurrencies: tuple[int, ...] = (1, 8), **marks: Any) -> list[dict[str, Any]]:
    entries = []
    for concurrency in concurrencies:
        level = sample_levels.level(sample_levels.closed(concurrency, 16), input_tokens=128, output_tokens=128)
        entry = document.level_entry(level, 0, None) | {"part": part, "lengths": lengths} | marks
        entries.append({key: value for key, value in entry.items() if key != "requests"})
    return entries


def cell(shape: str = "Llama-3.1-8B", format: str = "bf16", **over: Any) -> dict[str, Any]:
    engine = {"tokens": 900_000, "weights": 15 * GIB, "kv_memory": 112 * GIB, "graphs": GIB, "gpu_before": 0, "gpu_ready": 130 * GIB}
    plan = {"weights": 16_060_522_496, "kv_memory": 111 * GIB, "kv_bytes": 131072, "tokens": 914_416, "reserve": 2 * GIB}
    return {
        "shape": shape,
        "format": format,
        "plan": plan,
        "engine": engine,
        "ready_seconds": 61.0,
        "server": {"url": "u", "model": "m", "engine": "vllm 0.25.1"},
        "levels": [*levels("prefill", "1024/1", (16,)), *levels()],
        "skipped": [{"lengths": "128/1024", "concurrency": 1024, "why": "does not fit: 1,179,648 tokens"}],
    } | over


def kept(folder: Path, name: str, result: dict[str, Any] | None, cause: str | None = None) -> None:
    write(folder, State(name, name, "failed" if cause else "done", cause, 1, 12.0, "2026-11-21T12:00:00+00:00", result))


def assembled(folder: Path) -> dict[str, Any]:
    made = document.new("suite", {}, "sllm bench suite gpu", seed=0)
    gpu.assemble(made, folder, GPU, gpu.plan({"scale": "gpu"}))
    return made


def tables(made: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {table["title"]: table["rows"] for table in made["tables"]}


@pytest.mark.parametrize("name", SCALES)
def test_both_scales_have_every_kind_of_step(name: str) -> None:
    ids = [step.id for step in gpu.plan({"scale": name})]
    assert len(ids) == len(set(ids))
    assert {step.split("-")[0] for step in ids} == {"rates", "cell", "gateway", "speculation"}
    assert [step for step in ids if step.startswith("speculation")] == ["speculation-none", "speculation-ngram", "speculation-draft"]


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_every_format_is_served_at_both_scales(scale: Any) -> None:
    assert {format for _, format in scale.cells} == {"bf16", "fp8", "gptq", "awq", "bnb-nf4", "bnb-int8"}


def test_the_gpu_scale_is_the_one_that_was_asked_for() -> None:
    assert {shape for shape, _ in GPU.cells} >= {"Qwen2.5-0.5B", "Qwen2.5-1.5B", "Llama-3.2-1B", "Llama-3.1-8B", "Qwen3-8B"}
    assert GPU.concurrency == (1, 8, 64, 256, 1024)
    assert [str(lengths) for lengths in GPU.lengths] == ["128/128", "1024/128", "128/1024"]


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_every_prompt_and_answer_fits_the_context(scale: Any) -> None:
    assert max(lengths.input + lengths.output for lengths in scale.lengths) < scale.context
    assert scale.prefill < scale.context


@pytest.mark.parametrize("name", SCALES)
def test_no_step_is_expected_to_take_its_limit(name: str) -> None:
    assert [step.id for step in gpu.plan({"scale": name}) if step.seconds >= LIMIT] == []


def test_target_and_draft_share_a_vocabulary() -> None:
    from benchmarks.suite.shapes import shape

    assert shape(GPU.target).vocabulary == shape(GPU.draft).vocabulary


def test_without_any_result_everything_is_not_measured_yet(tmp_path: Path) -> None:
    made = assembled(tmp_path)
    assert {step["status"] for step in made["steps"]} == {"not measured yet"}
    assert {row["note"] for row in tables(made)["Output tokens/s, input/output 128/128"]} == {"not measured yet"}
    assert [table["title"] for table in made["tables"] if not table["rows"] and "not measured yet" not in table["note"]] == []
    assert made["pictures"] == []
    assert (gpu.unfinished(made) or "").startswith("not measured yet: rates, cell-Llama-3.1-8B-bf16, ")


def test_a_cell_fills_its_row_and_says_what_was_left_out(tmp_path: Path) -> None:
    kept(tmp_path, "cell-Llama-3.1-8B-bf16", cell())
    found = tables(assembled(tmp_path))
    rows = {(row["shape"], row["format"]): row for row in found["Output tokens/s, input/output 128/128"]}
    assert rows["Llama-3.1-8B", "bf16"]["c8"] > rows["Llama-3.1-8B", "bf16"]["c1"] > 0
    assert rows["Llama-3.1-8B", "fp8"]["note"] == "not measured yet"
    long = {(row["shape"], row["format"]): row for row in found["Output tokens/s, input/output 128/1024"]}
    assert long["Llama-3.1-8B", "bf16"]["note"] == "at 1024: does not fit: 1,179,648 tokens"


def test_memory_is_the_plan_against_the_log(tmp_path: Path) -> None:
    kept(tmp_path, "cell-Llama-3.1-8B-bf16", cell())
    row = tables(assembled(tmp_path))["Memory, planned and measured"][0]
    assert row["tokens_off"] == pytest.approx(100 * (914_416 / 900_000 - 1))
    assert row["weights_off"] == pytest.approx(100 * (16_060_522_496 / (15 * GIB) - 1))
    assert row["gpu"] == 130 * 1024


def test_decoding_is_held_against_the_memorys_rate(tmp_path: Path) -> None:
    kept(tmp_path, "cell-Llama-3.1-8B-bf16", cell())
    kept(tmp_path, "rates", RATES)
    rows = tables(assembled(tmp_path))["Decode speed against the memory's rate"]
    one = next(row for row in rows if row["concurrency"] == 1)
    assert one["limit"] == pytest.approx(4.2e12 / (16_060_522_496 - 128256 * 4096 * 2 + 192 * 131072))
    assert one["share"] == pytest.approx(100 * one["speed"] / one["limit"])


def test_times_that_the_load_generator_spoilt_make_no_share(tmp_path: Path) -> None:
    found = cell()
    found["levels"][1]["generator"]["loop_ms"]["p99"] = 92.0
    kept(tmp_path, "cell-Llama-3.1-8B-bf16", found)
    kept(tmp_path, "rates", RATES)
    made = assembled(tmp_path)
    one, eight = tables(made)["Decode speed against the memory's rate"]
    assert (one["share"], one["note"]) == (None, "the load generator was late by 92 ms (p99) and took 21% of a core")
    assert eight["share"] > 0
    assert made["checks"] == {"generator_ok": False}


def test_tokens_that_were_all_seen_at_once_make_no_row(tmp_path: Path) -> None:
    found = cell()
    found["levels"][1]["summary"]["tpot_ms"]["vllm"]["p50"] = 0.0
    kept(tmp_path, "cell-Llama-3.1-8B-bf16", found)
    kept(tmp_path, "rates", RATES)
    made = assembled(tmp_path)
    assert [row["concurrency"] for row in tables(made)["Decode speed against the memory's rate"]] == [8]
    assert [picture["title"] for picture in made["pictures"]] == [
        "Llama-3.1-8B: output tokens/s",
        "Llama-3.1-8B: decode against the memory's rate",
    ]


def test_prefill_is_held_against_the_products_of_its_format(tmp_path: Path) -> None:
    kept(tmp_path, "cell-Llama-3.1-8B-bf16", cell())
    kept(tmp_path, "cell-Llama-3.1-8B-fp8", cell(format="fp8"))
    kept(tmp_path, "rates", RATES)
    half, quarter = tables(assembled(tmp_path))["Prefill against the matrix rate"]
    assert quarter["limit"] / half["limit"] == pytest.approx(14 / 7.9)


def test_without_the_devices_rates_no_share_is_claimed(tmp_path: Path) -> None:
    kept(tmp_path, "cell-Llama-3.1-8B-bf16", cell())
    found = tables(assembled(tmp_path))
    assert found["Decode speed against the memory's rate"] == found["Prefill against the matrix rate"] == []


def test_speed_up_is_against_none_at_the_same_concurrency(tmp_path: Path) -> None:
    counted = {"rate": 0.5, "length": 3.0}
    none = levels(variant="none", acceptance=None)
    kept(tmp_path, "speculation-none", {"levels": none, "server": {}})
    kept(tmp_path, "speculation-draft", {"levels": levels(variant="draft", acceptance=counted), "server": {}})
    rows = tables(assembled(tmp_path))["Speculation"]
    assert [(row["variant"], row["concurrency"], row["speedup"]) for row in rows] == [
        *[("none", 1, 1.0), ("none", 8, 1.0), ("draft", 1, 1.0), ("draft", 8, 1.0)]
    ]
    assert [(row["rate"], row["length"]) for row in rows if row["variant"] == "draft"] == [(50.0, 3.0)] * 2


def test_the_gateway_and_the_engine_alone_are_medians_of_their_rounds(tmp_path: Path) -> None:
    found = [
        entry | {"repeat": number}
        for number, way in itertools.product(range(3), ("engine alone", "through the gateway"))
        for entry in levels(way=way)
    ]
    kept(tmp_path, "gateway", {"levels": found, "server": {}})
    made = assembled(tmp_path)
    rows = tables(made)["The gateway in front, and the engine alone"]
    assert [(row["concurrency"], row["way"], row["rounds"]) for row in rows] == [
        (concurrency, way, 3) for concurrency in (1, 8) for way in ("engine alone", "through the gateway")
    ]
    assert [picture["title"] for picture in made["pictures"]] == ["The gateway in front"]


def test_rounds_with_a_late_generator_are_counted(tmp_path: Path) -> None:
    found = [entry | {"repeat": number} for number in range(3) for entry in levels(way="engine alone")]
    found[0]["generator"]["loop_ms"]["p99"] = 50.0
    kept(tmp_path, "gateway", {"levels": found, "server": {}})
    notes = [row["note"] for row in tables(assembled(tmp_path))["The gateway in front, and the engine alone"]]
    assert notes == ["the load generator was late in 1 of the rounds", ""]


def test_a_failed_step_keeps_its_cause_and_the_rest_is_shown(tmp_path: Path) -> None:
    kept(tmp_path, "cell-Llama-3.1-8B-awq", None, "the engine ended with 'RuntimeError'")
    kept(tmp_path, "cell-Llama-3.1-8B-bf16", cell())
    made = assembled(tmp_path)
    failed = next(step for step in made["steps"] if step["id"] == "cell-Llama-3.1-8B-awq")
    assert (failed["status"], failed["cause"]) == ("failed", "the engine ended with 'RuntimeError'")
    assert failed["cause"] in [row["cause"] for row in tables(made)["Steps"]]
    assert (gpu.unfinished(made) or "").startswith("failed: cell-Llama-3.1-8B-awq; not measured yet: rates, ")
    assert made["provenance"]["server"]["engine"] == "vllm 0.25.1"


def test_what_is_done_is_complete(tmp_path: Path) -> None:
    for shape, format in GPU.cells:
        kept(tmp_path, gpu.cell_id(shape, format), cell(shape, format))
    kept(tmp_path, "rates", RATES)
    for name in ("gateway", "speculation-none", "speculation-ngram", "speculation-draft"):
        kept(tmp_path, name, {"levels": [], "server": {}})
    assert gpu.unfinished(assembled(tmp_path)) is None


def test_the_steps_of_the_suite_are_due_in_an_empty_folder(tmp_path: Path) -> None:
    assert {due(tmp_path, step, again=False) for step in gpu.plan({"scale": CPU.name})} == {None}
