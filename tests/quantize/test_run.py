"""The steps of one checkpoint: what goes into its manifest, and the calibration set as its process draws it."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from quantize import run, source
from quantize.gate import Plan
from quantize.recipe import Recipe, with_values
from server.settings import ROOT
from tests.quantize.scripted import DEMO, METHOD, recipe


def write(file: Path, tensors: dict[str, int]) -> None:
    """A safetensors file of int8 tensors, bytes by name."""
    header, at = {}, 0
    for name, size in tensors.items():
        header[name] = {"dtype": "I8", "shape": [size], "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))


def plan(**values: object) -> Plan:
    return Plan(source.read(DEMO), with_values(recipe(), bits=8, **values), METHOD, 0, 0)


def test_the_bytes_of_quantized_layers_are_theirs_with_scales_and_without_kept_ones(tmp_path: Path):
    one = "model.layers.0.self_attn.q_proj"
    write(tmp_path / "a.safetensors", {f"{one}.qweight": 100, f"{one}.scales": 10, f"{one}_norm.weight": 1000})
    write(tmp_path / "b.safetensors", {"model.layers.1.self_attn.q_proj.weight": 500, "lm_head.weight": 5000})
    whole, kept = run.weights(plan(), tmp_path), run.weights(plan(ignore=("re:model.layers.1.",)), tmp_path)
    assert (whole.linear_bytes, kept.linear_bytes) == (610, 110)
    assert whole.bytes == sum(file.stat().st_size for file in tmp_path.iterdir())
    linears = source.read(DEMO).linears
    assert whole.linear_bf16_bytes == sum(2 * linear.inputs * linear.outputs for linear in linears)
    assert 0 < kept.linear_bf16_bytes < whole.linear_bf16_bytes


@pytest.mark.parametrize(("calibration", "kept"), [("bundled", "bundled"), ("org/data", "org/data"), ("/home/ada/my.jsonl", "my.jsonl")])
def test_the_recipe_in_a_manifest_names_no_folder(calibration: str, kept: str):
    assert run.portable(Recipe(calibration=calibration).model_dump(mode="json"))["calibration"] == kept


def draw(folder: Path, chosen: Recipe) -> tuple[int, dict[str, object], str]:
    (folder / "recipe.json").write_text(chosen.model_dump_json())
    words = [sys.executable, "-m", "quantize.prepare", str(DEMO), str(folder / "recipe.json"), str(folder / "out.jsonl")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_the_calibration_set_comes_as_token_ids_with_its_digest(tmp_path: Path):
    code, said, _ = draw(tmp_path, Recipe(samples=3, sequence_length=32))
    samples = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert code == 0
    assert said["samples"] == len(samples) == 3
    assert said["tokens"] == sum(map(len, samples))
    assert all(0 < len(sample) <= 32 for sample in samples)
    assert str(said["digest"]).startswith("sha256:")


def test_a_calibration_file_with_a_bad_line_is_one_sentence(tmp_path: Path):
    (tmp_path / "bad.jsonl").write_text('{"text": "fine"}\n{"text": \n')
    code, said, noise = draw(tmp_path, Recipe(calibration=str(tmp_path / "bad.jsonl")))
    assert (code, said["error"]) == (1, "CalibrationError")
    assert "2" in str(said["message"])
    assert "Traceback" not in noise
