"""What every `sllm bench` command leaves behind: the folder of results, and the last lines in the terminal."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchUsageError

RESULT = "result.json"
INTERRUPTED = 130


def folder(kind: str, out: Path | None) -> Path:
    """`out`, else ./bench-KIND-DATE-TIME; made now, so that a place where nothing can be written is told before the work.

    Raises BenchUsageError.
    """
    place = out or Path(f"bench-{kind}-{datetime.datetime.now():%Y%m%d-%H%M%S}")
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / ".writable").touch()
        (place / ".writable").unlink()
    except OSError as error:
        raise BenchUsageError(f"--out {place}: {error.strerror}: name a folder that can be written") from None
    return place


def fresh(kind: str, out: Path | None) -> Path:
    """The same, and without a result in it: an earlier one is not written over. Raises BenchUsageError."""
    if out is not None and (out / RESULT).exists():
        raise BenchUsageError(f"--out {out} already holds a result: name another folder, or remove it")
    return folder(kind, out)


def places(kind: str, out: Path | None, count: int) -> list[Path]:
    """One folder for each of `count` results: DIR itself, or DIR/1, DIR/2 and so on. Raises BenchUsageError."""
    top = fresh(kind, out)
    return [top] if count == 1 else [fresh(kind, top / str(number + 1)) for number in range(count)]


def keep(document: dict[str, Any], place: Path) -> list[Path]:
    """CSV, page and pictures beside `place`/result.json. Returns what was written, the page first."""
    from benchmarks.reports import csvfile, page, pictures

    written = [place / "report.html"]
    page.write(document, written[0])
    if document["levels"]:
        csvfile.write(document, place / "levels.csv")
        csvfile.write_requests(document, place / "requests.csv")
        written += [place / "levels.csv", place / "requests.csv"]
    return written + pictures.write_all(document, place, document["kind"])


def tell(document: dict[str, Any], place: Path, *, as_json: bool) -> int:
    """Write the files, print the table or one JSON line. Returns the exit code: 0 complete, 1 not, 130 interrupted."""
    written = keep(document, place)
    if as_json:
        print(json.dumps(short(document) | {"out": str(place)}, ensure_ascii=False))
    else:
        from benchmarks.reports import pictures
        from benchmarks.reports.terminal import table

        print(table(document))
        drawn = sum(1 for file in written if file.suffix == ".png")
        print(f"\nKept in {place}: {RESULT}, {', '.join(file.name for file in written if file.suffix != '.png')}, {drawn} pictures")
        if not pictures.available():
            print(pictures.MISSING)
        print(f"The page: {place / 'report.html'}")
    if document["status"] == "complete":
        return 0
    return INTERRUPTED if (document["note"] or "").startswith("interrupted") else 1


def short(document: dict[str, Any]) -> dict[str, Any]:
    """The document without its raw samples."""
    return document | {"levels": [{k: v for k, v in level.items() if k != "requests"} for level in document["levels"]]}
