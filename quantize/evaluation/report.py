"""The written comparison: evaluation.json, from which all of it can be computed again, and evaluation.html, one page for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quantize.evaluation import page, record
from quantize.evaluation.compare import Result

JSON, HTML = "evaluation.json", "evaluation.html"


def report(
    results: Sequence[Result], baseline: Result | None, folder: Path, about: dict[str, Any] | None = None, *, page_only: bool = False
) -> tuple[Path, ...]:
    """Write both files into `folder` (made if it is not there); their paths. `baseline` is one of `results` or another.

    `about` is what is known of the run beside the measurements (record.about).
    """
    everyone = [*results] if baseline is None or any(r.name == baseline.name for r in results) else [baseline, *results]
    told = about or record.about()
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    if not page_only:  # first: the page can be made again from it
        record.write(folder / JSON, record.build(everyone, baseline.name if baseline else None, told))
        files.append(folder / JSON)
    (folder / HTML).write_text(page.render(everyone, told), encoding="utf-8")
    return (*files, folder / HTML)
