"""The written comparison: evaluation.json, from which all of it can be computed again, and evaluation.html, one page for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quantize.evaluation import page, record
from quantize.evaluation.compare import Result

JSON, HTML = "evaluation.json", "evaluation.html"


def report(results: Sequence[Result], baseline: Result | None, folder: Path, about: dict[str, Any] | None = None) -> tuple[Path, Path]:
    """Write both files into `folder` (made if it is not there); their paths. `baseline` is one of `results` or another.

    `about` is what is known of the run beside the measurements (record.about).
    """
    everyone = [*results] if baseline is None or any(r.name == baseline.name for r in results) else [baseline, *results]
    folder.mkdir(parents=True, exist_ok=True)
    data = record.build(everyone, baseline.name if baseline else None, about or record.about())
    record.write(folder / JSON, data)
    (folder / HTML).write_text(page.render(everyone, data["about"]), encoding="utf-8")
    return folder / JSON, folder / HTML
