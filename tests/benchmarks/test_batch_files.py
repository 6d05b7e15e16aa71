"""The input of the benchmark of large files."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.batch_files import lines


def test_the_file_has_the_size_and_the_lines_that_were_asked_for(tmp_path: Path):
    file = tmp_path / "batch.jsonl"
    lines(file, 200, 800_000, "mock")
    read = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert len({line["custom_id"] for line in read}) == 200
    assert abs(file.stat().st_size - 800_000) < 16_000
    assert {line["body"]["model"] for line in read} == {"mock"}
