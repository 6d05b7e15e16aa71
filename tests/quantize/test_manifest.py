"""sllm.json: written whole, read with what later versions add, refused in one sentence where it cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quantize import manifest
from quantize.errors import SourceError
from quantize.manifest import Manifest

EXAMPLE: dict[str, Any] = {
    "format": 1,
    "name": "demo-gptq",
    "method": "gptq",
    "created": "2026-11-20T10:00:00+00:00",
    "base": {"name": "demo", "digest": "sha256:00", "architecture": "LlamaForCausalLM", "weight_bytes": 4000},
    "weights": {"digest": "sha256:11", "bytes": 1000, "linear_bytes": 500, "linear_bf16_bytes": 2000, "bits": 4, "checkpoint": "gptq"},
    "recipe": {"method": "gptq", "bits": 4},
    "calibration": {"source": "bundled", "digest": "sha256:22", "samples": 256, "tokens": 9000, "seed": 0},
    "versions": {"sllm": "0.1.0", "python": "3.11.7"},
    "cost": {"seconds": 12.5, "peak_memory_bytes": 10, "predicted_memory_bytes": 20},
    "serve": {"target": "cpu", "flags": {"dtype": "float16"}, "plugins": [], "engines": []},
    "check": None,
    "evaluation": None,
}


def test_what_is_written_is_read_again(tmp_path: Path):
    made = Manifest.model_validate(EXAMPLE)
    manifest.write(tmp_path, made)
    assert manifest.read(tmp_path) == made
    assert [file.name for file in tmp_path.iterdir()] == ["sllm.json"]


def test_a_folder_without_one_has_none(tmp_path: Path):
    assert manifest.read(tmp_path) is None


def test_keys_of_later_versions_are_kept(tmp_path: Path):
    later = {**EXAMPLE, "energy": 3, "cost": {**EXAMPLE["cost"], "joules": 7}}
    (tmp_path / "sllm.json").write_text(json.dumps(later))
    read = manifest.read(tmp_path)
    assert read is not None
    manifest.write(tmp_path, read)
    again = json.loads((tmp_path / "sllm.json").read_text())
    assert (again["energy"], again["cost"]["joules"]) == (3, 7)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "cannot be read"),
        (json.dumps({**EXAMPLE, "format": 2}), "has format 2, and this sllm reads up to 1: update sllm"),
        (json.dumps({key: value for key, value in EXAMPLE.items() if key != "base"}), "base: field required"),
        (json.dumps({**EXAMPLE, "cost": {**EXAMPLE["cost"], "seconds": "long"}}), "cost.seconds: "),
        ("[]", "sllm.json: the file: "),
    ],
)
def test_one_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: str, says: str):
    (tmp_path / "sllm.json").write_text(text)
    with pytest.raises(SourceError) as caught:
        manifest.read(tmp_path)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
