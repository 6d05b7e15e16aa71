"""The suite's tables, and pictures with them, made of what its steps returned. A figure that is missing is None, and its row says why."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks.suite import pictures, roofline
from benchmarks.suite.figures import WAYS, Cells, Row, at, loads_of, output_tokens, table, why_late
from benchmarks.suite.scale import Scale
from benchmarks.suite.shapes import SHAPES

MISSING = "not measured yet"
Results = Mapping[str, dict[str, Any]]


def made(scale: Scale, done: Results) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """All tables and pictures."""
    found = {(cell["shape"], cell["format"]): cell for name, cell in done.items() if name.startswith("cell-")}
    rates = done.get("rates")
    throughput = [_throughput(scale, found, str(lengths)) for lengths in scale.lengths]
    tables = [*throughput, _memory(scale, found), _rates(rates), _decode(scale, found, rates), _prefill(scale, found, rates)]
    tables += [_speculation(scale, done), _gateway(scale, done.get("gateway")), _loads(scale, found)]
    decode = tables[len(throughput) + 2]
    return tables, [*pictures.throughput(scale, found), *pictures.decode(decode), *pictures.gateway(done.get("gateway"))]


CELL = [("shape", "Shape", ""), ("format", "Format", "")]


def _throughput(scale: Scale, cells: Cells, lengths: str) -> dict[str, Any]:
    rows = []
    for shape, format in scale.cells:
        cell = cells.get((shape, format))
        row: Row = {"shape": shape, "format": format, "note": "" if cell else MISSING}
        for entry in loads_of(cell) if cell else []:
            if entry["lengths"] == lengths:
                row[f"c{entry['load']['concurrency']}"] = output_tokens(entry)
        left_out = [skip for skip in cell["skipped"] if skip["lengths"] == lengths] if cell else []
        row["note"] = row["note"] or "; ".join(f"at {skip['concurrency']}: {skip['why']}" for skip in left_out)
        rows.append(row)
    columns = [*CELL, *((f"c{c}", f"at {c}", "tokens/s") for c in scale.concurrency), ("note", "", "")]
    note = "Random weights, random prompts, answers of full length, greedy; the engine alone, by the number of requests open at a time."
    return table(f"Output tokens/s, input/output {lengths}", note, columns, rows)


def _off(predicted: float | None, measured: float | None) -> float | None:
    return (predicted / measured - 1) * 100 if predicted and measured else None


def _memory(scale: Scale, cells: Cells) -> dict[str, Any]:
    rows = []
    for shape, format in scale.cells:
        row: Row = {"shape": shape, "format": format, "note": MISSING}
        if cell := cells.get((shape, format)):
            plan, engine = cell["plan"], cell["engine"]
            row |= {
                "weights_plan": plan["weights"] / 2**20,
                "weights": engine["weights"] / 2**20 if engine["weights"] else None,
                "weights_off": _off(plan["weights"], engine["weights"]),
                "tokens_plan": plan["tokens"],
                "tokens": engine["tokens"],
                "tokens_off": _off(plan["tokens"], engine["tokens"]),
                "gpu": engine["gpu_ready"] / 2**20 if engine["gpu_ready"] else None,
                "ready": cell["ready_seconds"],
                "note": "" if engine["weights"] else "this engine logs no weights",
            }
        rows.append(row)
    columns = [
        *CELL,
        ("weights_plan", "Weights, planned", "MiB"),
        ("weights", "Weights, engine", "MiB"),
        ("weights_off", "off", "%"),
        ("tokens_plan", "KV tokens, planned", ""),
        ("tokens", "KV tokens, engine", ""),
        ("tokens_off", "off", "%"),
        ("gpu", "GPU in use (nvidia-smi)", "MiB"),
        ("ready", "Ready after", "s"),
        ("note", "", ""),
    ]
    note = "`sllm plan` before the start, against the engine's own log after it."
    return table("Memory, planned and measured", note, columns, rows)


def _rates(rates: dict[str, Any] | None) -> dict[str, Any]:
    columns = [("device", "Device", ""), ("what", "What", ""), ("value", "Measured", ""), ("unit", "", "")]
    if rates is None:
        return table("What the device can do", MISSING, columns, [])
    rows = [
        ("memory, read", rates["read_bytes_per_second"] / 1e9, "GB/s"),
        ("memory, copied (read + written)", rates["copy_bytes_per_second"] / 1e9, "GB/s"),
        ("matrix products, bf16", rates["bf16"] and rates["bf16"] / 1e12, "TFLOP/s"),
        ("matrix products, fp8", rates["fp8"] and rates["fp8"] / 1e12, "TFLOP/s"),
    ]
    note = f"torch {rates['torch']}, {rates['threads']} CPU threads; the fastest of several runs and sizes."
    return table(
        "What the device can do", note, columns, [{"device": rates["device"], "what": w, "value": v, "unit": u} for w, v, u in rows]
    )


def bytes_per_second(rates: dict[str, Any]) -> float:
    """The memory's rate: the higher of reading and copying, for a limit."""
    return float(max(rates["read_bytes_per_second"], rates["copy_bytes_per_second"]))


def _decode(scale: Scale, cells: Cells, rates: dict[str, Any] | None) -> dict[str, Any]:
    rows: list[Row] = []
    for (name, format), cell in cells.items() if rates else []:
        for entry in loads_of(cell):
            per_token, lengths = at(entry, "tpot_ms", "p50"), [int(part) for part in entry["lengths"].split("/")]
            if not per_token or rates is None:  # 0: every token of most answers was seen at once, by a generator that was late
                continue
            open_at_once = entry["load"]["concurrency"]
            context = lengths[0] + lengths[1] / 2
            late = why_late(entry)
            limit = roofline.decode_limit(SHAPES[name], cell["plan"]["weights"], open_at_once, context, bytes_per_second(rates))
            speed = open_at_once * 1000 / per_token
            rows.append(
                {"shape": name, "format": format, "lengths": entry["lengths"], "concurrency": open_at_once}
                | {"speed": None if late else speed, "limit": limit, "share": None if late else 100 * speed / limit, "note": late}
            )
    columns = [*CELL, ("lengths", "Input/output", ""), ("concurrency", "Open", "")]
    columns += [("speed", "Decoding", "tokens/s"), ("limit", "Memory allows", "tokens/s"), ("share", "Share", "%"), ("note", "", "")]
    note = "Decoding: open requests / median TPOT. Each step reads the weights once and every open request's KV cache."
    return table("Decode speed against the memory's rate", note if rows else MISSING, columns, rows)


def _prefill(scale: Scale, cells: Cells, rates: dict[str, Any] | None) -> dict[str, Any]:
    rows: list[Row] = []
    for (name, format), cell in cells.items() if rates else []:
        for entry in loads_of(cell, "prefill"):
            rate = (rates or {}).get("fp8" if format == "fp8" else "bf16") or (rates or {}).get("bf16")
            if not rate or not entry["summary"]["requests"]["completed"]:
                continue
            speed = entry["summary"]["input_tokens"] / entry["seconds"]
            limit = roofline.prefill_limit(SHAPES[name], scale.prefill, rate)
            rows.append({"shape": name, "format": format, "speed": speed, "limit": limit, "share": 100 * speed / limit})
    columns = [*CELL, ("speed", "Prefill", "tokens/s"), ("limit", "Products allow", "tokens/s"), ("share", "Share", "%")]
    note = f"Prompts of {scale.prefill} tokens, one token answered, {scale.prefill_concurrency} open at a time; against the measured "
    note += "rate of products in fp8 for fp8 (bf16's where it has none), in bf16 for the rest."
    return table("Prefill against the matrix rate", note if rows else MISSING, columns, rows)


def _speculation(scale: Scale, done: Results) -> dict[str, Any]:
    rows: list[Row] = []
    base: dict[int, float | None] = {}
    for variant in ("none", "ngram", "draft"):
        for entry in done.get(f"speculation-{variant}", {}).get("levels", []):
            concurrency, tokens, counted = entry["load"]["concurrency"], output_tokens(entry), entry["acceptance"]
            if variant == "none":
                base[concurrency] = tokens
            against = base.get(concurrency)
            rows.append(
                {
                    "variant": variant,
                    "concurrency": concurrency,
                    "tokens": tokens,
                    "speedup": tokens / against if tokens and against else None,
                    "rate": counted["rate"] and 100 * counted["rate"] if counted else None,
                    "length": counted["length"] if counted else None,
                    "note": why_late(entry),
                }
            )
    columns = [("variant", "Proposed by", ""), ("concurrency", "Open", ""), ("tokens", "Output", "tokens/s"), ("speedup", "Speed-up", "x")]
    columns += [("rate", "Accepted", "%"), ("length", "Acceptance length", "tokens"), ("note", "", "")]
    note = f"{scale.target}, draft {scale.draft}, {scale.proposed} tokens proposed at a time, input/output {scale.lengths[0]}. "
    if scale.target in scale.made:
        note += (
            "With random weights acceptance says nothing about a trained pair: read the cost of proposing, and `sllm bench speculation`."
        )
    return table("Speculation", note if rows else MISSING, columns, rows)


def _gateway(scale: Scale, result: dict[str, Any] | None) -> dict[str, Any]:
    rows: list[Row] = []
    for concurrency in scale.concurrency if result else []:
        for way in WAYS:
            found = [
                e for e in (result or {})["levels"] if e["way"] == way and e["load"]["concurrency"] == concurrency and output_tokens(e)
            ]
            if found:
                speeds = sorted(output_tokens(entry) or 0.0 for entry in found)
                row: Row = {"concurrency": concurrency, "way": way, "rounds": len(found), "tokens": median(speeds)}
                row |= {"least": speeds[0], "most": speeds[-1]}
                for key, metric, percentile in TIMES:
                    row[key] = median(at(entry, metric, percentile) or 0.0 for entry in found)
                late = sum(1 for entry in found if why_late(entry))
                rows.append(row | {"note": f"the load generator was late in {late} of the rounds" if late else ""})
    columns = [("concurrency", "Open", ""), ("way", "Asked", ""), ("rounds", "Rounds", ""), ("tokens", "Output", "tokens/s")]
    columns += [
        ("least", "least", "tokens/s"),
        ("most", "most", "tokens/s"),
        *((k, t, "ms") for (k, *_), t in zip(TIMES, TITLES, strict=True)),
        ("note", "", ""),
    ]
    note = f"{scale.passed}, input/output {scale.lengths[0]}; both in the same run, in turn, medians of the rounds."
    return table("The gateway in front, and the engine alone", note if rows else MISSING, columns, rows)


TIMES = (("ttft", "ttft_ms", "p50"), ("ttft99", "ttft_ms", "p99"), ("tpot", "tpot_ms", "p50"))
TITLES = ("TTFT p50", "TTFT p99", "TPOT p50")


def _loads(scale: Scale, cells: Cells) -> dict[str, Any]:
    rows: list[Row] = []
    for (shape, format), cell in cells.items():
        for entry in cell["levels"]:
            counted = entry["summary"]["requests"]
            row: Row = {"shape": shape, "format": format, "lengths": entry["lengths"], "concurrency": entry["load"]["concurrency"]}
            row |= {"sent": counted["sent"], "failed": counted["failed"], "tokens": output_tokens(entry)}
            for key, metric, percentile in (*TIMES, ("tpot99", "tpot_ms", "p99"), ("e2e", "e2e_ms", "p50")):
                row[key] = at(entry, metric, percentile)
            rows.append(row | {"note": "; ".join(filter(None, (entry["partial"], entry.get("capped"), why_late(entry))))})
    columns = [*CELL, ("lengths", "Input/output", ""), ("concurrency", "Open", ""), ("sent", "Requests", ""), ("failed", "failed", "")]
    columns += [("tokens", "Output", "tokens/s"), *((k, t, "ms") for (k, *_), t in zip(TIMES, TITLES, strict=True))]
    columns += [("tpot99", "TPOT p99", "ms"), ("e2e", "E2E p50", "ms"), ("note", "", "")]
    note = (
        f"A level begins requests for at most {scale.cap:g} s, and ends when those are answered. TTFT, TPOT and E2E as vLLM defines them."
    )
    return table("Every load", note if rows else MISSING, columns, rows)
