"""`--method all`: what can be made is made and compared, what cannot is named, and nothing is done twice."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantize import aside, manifest
from quantize.errors import Refused, UsageError
from quantize.evaluation import record
from quantize.recipe import load
from tests.quantize.scripted import METHOD, METHODS, command
from tests.quantize.test_command import Started, left
from tests.quantize.test_janitor import gone


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "variants"


def all_of(out: Path, faults: dict[str, str] | None = None, measured: str = "good", **values: Any) -> int:
    options = {key: values.pop(key) for key in ("force", "as_json", "quick", "methods") if key in values}
    return command(out, faults or {}, measured, recipe=load(None, {"method": "all", **values}, METHODS), **options)


def read(out: Path, method: str) -> manifest.Manifest:
    found = manifest.read(out / method)
    assert found is not None
    return found


def measured(out: Path) -> list[str]:
    """What was booted, by the logs."""
    logs = [aside.log_of(out), *sorted(out.glob("*.log"))]
    return sorted(line.removeprefix("measuring ") for log in logs for line in log.read_text().splitlines() if line.startswith("measuring"))


def test_every_variant_is_made_checked_and_measured_by_one_boot(out: Path, capfd: pytest.CaptureFixture[str]):
    assert all_of(out) == 0
    assert left(out) == ["variants", "variants.log"]
    assert sorted(path.name for path in out.iterdir()) == [
        "comparison.html",
        "comparison.json",
        "scripted",
        "scripted.log",
        "second",
        "second.log",
    ]
    assert measured(out) == ["demo", "demo-scripted", "demo-second"]
    for method in ("scripted", "second"):
        made = read(out, method)
        assert made.check is not None
        assert made.check.passed
        assert made.evaluation is not None
        assert made.evaluation["logprobs"]["mean_abs_difference"] == pytest.approx(0.01, abs=1e-6)
    said, err = capfd.readouterr()
    assert "demo-second" in said
    assert "four" in err  # refused: no kernel for 4 bits
    assert "not made: four: vLLM has no kernel" in said


def test_the_comparison_can_be_computed_again_from_its_file(out: Path):
    all_of(out)
    data = record.read(out / "comparison.json")
    again = record.again(data, out / "comparison.json")
    assert [result.name for result in again] == ["demo", "demo-scripted", "demo-second"]
    assert [result.to_dict() for result in again] == data["results"]


def test_for_programs_it_is_one_json_object(out: Path, capfd: pytest.CaptureFixture[str]):
    all_of(out, as_json=True)
    found = json.loads(capfd.readouterr().out)
    assert list(found["variants"]) == ["scripted", "second"]
    assert list(found["refused"]) == ["four"]
    assert found["failed"] == {}


def test_the_calibration_set_is_drawn_once_for_all(out: Path):
    drawing = {name: replace(METHOD, name=name, calibrated=True) for name in ("scripted", "second")}
    assert all_of(out, methods=drawing) == 0
    assert [(out / f"{name}.log").read_text().count("drawing") for name in drawing] == [1, 0]
    for name in drawing:
        calibration = read(out, name).calibration
        assert calibration is not None
        assert (calibration.digest, calibration.samples, calibration.tokens) == ("sha256:5e7", 1, 2)


def test_one_that_fails_is_named_and_the_others_are_made(out: Path, capfd: pytest.CaptureFixture[str]):
    assert all_of(out, {"scripted": "crash"}) == 1
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["second"]
    assert "failed: scripted: scripted with pydantic (layer 3 of 4) ended with exit code 1: ZeroDivisionError" in capfd.readouterr().out


def test_what_is_there_is_not_made_or_measured_again(out: Path):
    all_of(out)
    before = {method: (out / method / "sllm.json").read_text() for method in ("scripted", "second")}
    for log in out.glob("*.log"):
        log.unlink()
    assert all_of(out) == 0
    assert {method: (out / method / "sllm.json").read_text() for method in before} == before
    assert measured(out) == []


def test_after_a_failure_only_what_is_missing_is_made(out: Path):
    assert all_of(out, {"second": "crash"}) == 1
    before = (out / "scripted" / "sllm.json").read_text()
    assert all_of(out) == 0
    assert (out / "scripted" / "sllm.json").read_text() == before
    assert read(out, "second").check is not None
    names = [result["name"] for result in record.read(out / "comparison.json")["results"]]
    assert names == ["demo", "demo-scripted", "demo-second"]


def test_what_was_made_without_a_check_is_measured_where_it_lies(out: Path):
    assert all_of(out, measured="") == 0
    assert not (out / "comparison.json").exists()
    weights = read(out, "scripted").weights
    created = read(out, "scripted").created
    assert all_of(out) == 0
    made = read(out, "scripted")
    assert (made.weights, made.created) == (weights, created)
    assert made.check is not None
    assert made.evaluation is not None


def test_one_by_another_recipe_is_in_the_way_and_force_replaces_it(out: Path, capfd: pytest.CaptureFixture[str]):
    all_of(out, measured="")
    assert all_of(out, measured="", shard_size=10**7) == 1
    assert "failed: scripted: " in (said := capfd.readouterr().out)
    assert "--force" in said
    assert all_of(out, measured="", shard_size=10**7, force=True) == 0
    assert read(out, "scripted").recipe["shard_size"] == 10**7


def test_other_options_of_the_measurement_measure_anew(out: Path):
    all_of(out)
    all_of(out, quick=True)
    assert "demo" in measured(out)
    assert record.read(out / "comparison.json")["about"]["options"]["speed"] is False


def test_a_checkpoint_is_no_folder_for_variants(out: Path):
    command(out)
    with pytest.raises(UsageError, match="is a checkpoint: with --method all"):
        all_of(out)


def test_where_none_can_be_made_it_is_refused_with_every_reason(out: Path):
    with pytest.raises(Refused, match="no method can make a variant of demo here: "):
        all_of(out, bits=4, target="cpu", ignore=["re:.*"])
    assert left(out) == []


def test_sigkill_in_the_second_leaves_the_first_whole(out: Path):
    started = Started(out / "second", "hang", "all")
    started.end(signal.SIGKILL)
    assert gone(*started.below)
    assert sorted(path.name for path in out.iterdir()) == ["scripted", "scripted.log", "second.log"]
    assert left(out) == ["variants", "variants.log"]
