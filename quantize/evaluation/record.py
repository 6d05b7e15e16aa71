"""evaluation.json: what was measured, how and where, and the figures computed from it.

`measurements` hold the raw material (logprobs by position, answers, timings); `results` are computed from nothing else, and
`again` computes them anew. Of a model's listed tokens only those are written that the comparison reads.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from quantize.errors import EvaluationError
from quantize.evaluation import provenance
from quantize.evaluation.compare import Result, compare
from quantize.evaluation.measure import Measurement
from quantize.evaluation.options import Options

FORMAT = 1
READ_ME = (
    "positions: `tokens` and `actual` are the tokens of the texts after each text's first one and their logprobs (natural log); `ids` and "
    "`logprobs` are `width` listed tokens a position by falling logprob, -1 where fewer. Each packed_* is base64 of zlib of "
    "little-endian int32 (tokens, ids) or float32 (actual, logprobs). `sllm evaluate --from FILE` computes all results again."
)


def about(options: Options | None = None, command: Sequence[str] = (), failed: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Where, when, with what and how: the part of the record that no measurement holds. `failed`: models that could not be
    measured, with the sentence why."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [provenance.shorten(word) for word in command],
        "options": options.to_dict() if options else {},
        "versions": provenance.versions(),
        "machine": provenance.machine(),
        "failed": dict(failed or {}),
    }


def build(results: Sequence[Result], baseline: str | None, about: Mapping[str, Any]) -> dict[str, Any]:
    measurements = {result.name: result.measurement for result in results}
    theirs = measurements[baseline].positions if baseline in measurements else None
    written = []
    for result in results:
        mine = result.measurement
        if mine.positions is not None:
            beside = theirs if theirs is not None and mine.positions.same_texts(theirs) else mine.positions
            mine = mine.model_copy(update={"positions": mine.positions.needed_beside(beside)})
        written.append(mine.to_dict())
    return {
        "format": FORMAT,
        "read_me": READ_ME,
        "about": dict(about),
        "baseline": baseline,
        "results": [result.to_dict() for result in results],
        "measurements": written,
    }


def write(file: Path, data: Mapping[str, Any]) -> None:
    """Aside and renamed. One line a key at the top, so that the results are found before the raw material."""
    aside = file.with_name(f".{file.name}.new")
    aside.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(aside, file)


def read(file: Path) -> dict[str, Any]:
    """Raises EvaluationError where it is no record of ours."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EvaluationError(f"no file at {file}: give the evaluation.json of an earlier run") from None
    except (OSError, ValueError) as error:
        raise EvaluationError(f"{file} cannot be read ({error}): give the evaluation.json of an earlier run") from None
    if not isinstance(data, dict) or not isinstance(data.get("measurements"), list) or "about" not in data:
        raise EvaluationError(f"{file} holds no measurements: give the evaluation.json of an earlier run")
    if data.get("format", 0) > FORMAT:
        raise EvaluationError(f"{file} has format {data['format']}, and this sllm reads up to {FORMAT}: update sllm")
    return data


def again(data: Mapping[str, Any], file: Path) -> list[Result]:
    """Every result, computed anew from the raw material alone. Raises EvaluationError."""
    try:
        measurements = [Measurement.from_dict(entry) for entry in data["measurements"]]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise EvaluationError(f"{file}: measurements.{where}: {first['msg'].lower()}: give an unchanged file") from None
    baseline = next((m for m in measurements if m.name == data.get("baseline")), None)
    return [compare(measurement, baseline) for measurement in measurements]
