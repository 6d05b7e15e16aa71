"""`sllm plan`: what a model needs and what fits, as a table; and how far earlier plans were off (`--calibration`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from server.engine import argv, kvcache, machine
from server.engine.planner import calibration, gpus, memory
from server.engine.planner.memory import Device
from server.engine.planner.plan import Plan, Row, plan
from server.errors import UsageError
from server.settings import Settings
from server.terminal import choose
from server.terminal.output import print_json
from server.units import size

GIB = 2**30


def run(
    settings: Settings, config: Path | None, model: str | None, vram: str | None, gpu: str | None, length: int | None, *, as_json: bool
) -> int:
    """Print the plan of `model`. Returns 0 where something fits, 1 where nothing does. Raises SLLMError."""
    chosen = choose.checkpoint(settings, model)
    device = card(vram, gpu) or here(settings)
    typed = f"{chosen.name} --config {config}" if config and chosen in settings.models else model
    found = plan(chosen, device, length, typed=typed)
    print_json(as_dict(found)) if as_json else print("\n".join(lines(found)))
    return 0 if found.chosen else 1


def card(vram: str | None, gpu: str | None) -> Device | None:
    """The card that the flags name, None without any. Raises UsageError."""
    if vram and gpu:
        raise UsageError("--vram and --gpu both say how much memory there is: give one of them")
    if gpu:
        return memory.cuda(gpus.memory(gpu), gpu.lower())
    if vram is None:
        return None
    try:
        wanted = size(int(vram) if vram.isdigit() else vram)
    except ValueError as error:
        raise UsageError(f"--vram: {error}") from None
    if wanted < 2**30:
        raise UsageError(f"--vram {vram} is less than any card has: write it with its unit, such as 24GiB")
    return memory.cuda(wanted, vram)


def here(settings: Settings) -> Device:
    """This machine: its smallest GPU, else its memory."""
    if settings.engine != "cpu" and (found := machine.gpu_memory()):
        return memory.cuda(found, "this machine's GPU")
    free = machine.available_memory()
    return memory.cpu(free, min(argv.CPU_KV_CACHE, free // 10), fp8=bool(kvcache.WIDE & machine.instructions()))


def as_dict(found: Plan) -> dict[str, Any]:
    """The plan for programs. Sizes in bytes, of one GPU."""
    shape = found.shape
    return {
        "model": found.model,
        "architecture": shape.architecture,
        "checkpoint": {
            "bytes": shape.weights,
            "parts": dict(shape.parts),
            "dtype": shape.dtype,
            "quantization": shape.quantization,
            "layers": shape.depth,
            "window_layers": sum(1 for layer in shape.layers if layer.window),
            "experts": shape.experts,
            "context": shape.context,
        },
        "device": asdict(found.device),
        "length": found.length,
        "reserve": found.reserve,
        "adapters": found.adapters,
        "draft": found.draft,
        "formats": [asdict(row) for row in found.rows],
        "fits": found.served.fits if found.served else False,
        "commands": list(found.commands),
        "would_fit": [asdict(remedy) for remedy in found.remedies],
        "notes": list(found.notes),
    }


def lines(found: Plan) -> list[str]:
    """The plan as people read it."""
    shape, device = found.shape, found.device
    shown = [f"{found.model}: {_what(found)}", f"{_device(device)}", ""]
    shown += _table(found)
    shown.append("")
    beside = [f"{gib(size)} for {what}" for what, size in (("adapters", found.adapters), ("the draft", found.draft)) if size]
    shown.append(f"Reserved beside the weights: {', '.join([f'{gib(found.reserve)} for {_reserved(device)}', *beside])}.")
    shown += [f"Note: {note}." for note in found.notes]
    if found.served and not found.served.fits:
        shown += ["", f"As it is, it does not fit: {_short(found, found.served)}."]
        shown += ["What would fit:" if found.remedies else "Nothing here would fit."]
        for remedy in found.remedies:
            shown.append(f"  {remedy.what}")
            shown += [f"      {command}" for command in remedy.commands]
    elif found.commands:
        shown += ["", *(f"  {command}" for command in found.commands)]
    if not shape.unplanned and device.kind == "cuda":
        shown += ["", "How far plans were off on this machine: sllm plan --calibration"]
    return shown


def _what(found: Plan) -> str:
    shape = found.shape
    words = [shape.architecture or "unknown architecture", f"{gib(shape.weights)} of weights", f"{shape.depth} layers"]
    if shape.experts:
        words.append(f"{shape.experts} experts")
    if shape.quantization:
        words.append(shape.quantization)
    if shape.context:
        words.append(f"context up to {shape.context:,} tokens")
    return ", ".join(words)


def _device(device: Device) -> str:
    if device.kind == "cpu":
        return f"Without a GPU: {gib(device.memory)} of free memory, {gib(device.kv_memory)} for the KV cache"
    many = f"{device.gpus} x " if device.gpus > 1 else ""
    name = "" if not device.name or device.name[0].isdigit() else f"{device.name}, "
    kv = f"a KV cache of {gib(device.kv_memory)}" if device.kv_memory else f"{device.share:.0%} of it for vLLM"
    return f"{many}{name}{gib(device.memory)}, {kv}"


def _reserved(device: Device) -> str:
    return "the engine's processes" if device.kind == "cpu" else "activations, CUDA graphs and libraries (estimated)"


def _table(found: Plan) -> list[str]:
    head: tuple[str, ...] = (
        "format",
        "KV cache",
        "weights",
        "left for KV",
        "KV a token",
        "KV tokens",
        "longest",
        f"at {found.length:,}",
        "",
    )
    rows: list[tuple[str, ...]]
    if found.shape.unplanned:
        rows = [(r.format, "-", gib(r.weights), gib(max(r.kv_memory, 0)), "-", "-", "-", "-", _fits(r)) for r in found.rows]
    else:
        rows = [_cells(r) for r in found.rows]
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    return ["  ".join(_pad(cell, widths[i], i) for i, cell in enumerate(line)).rstrip() for line in (head, *rows)]


def _cells(row: Row) -> tuple[str, ...]:
    if row.kv_memory <= 0:
        return (row.format, row.kv_dtype, gib(row.weights), "none", f"{row.kv_bytes:,.0f} B", "-", "-", "-", _fits(row))
    together = f"{row.concurrency:,.1f}x" if row.fits else "-"
    return (
        row.format,
        row.kv_dtype,
        gib(row.weights),
        gib(row.kv_memory),
        f"{row.kv_bytes:,.0f} B",
        f"{row.tokens:,}",
        f"{row.longest:,}",
        together,
        _fits(row),
    )


def _fits(row: Row) -> str:
    return "fits" if row.fits else "does not fit"


def _pad(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column in (0, 1, 8) else cell.rjust(width)


def _short(found: Plan, row: Row) -> str:
    if row.kv_memory <= 0:
        return f"weights and reserve need {gib(-row.kv_memory)} more than there is"
    if row.kv_dtype:
        return f"the KV cache has room for contexts of {row.longest:,} tokens, not {found.length:,}"
    return "weights and reserve are too large"


def gib(value: float) -> str:
    """Bytes for people: 14.96 GiB, 5.5 MiB."""
    return f"{value / GIB:.2f} GiB" if value >= GIB / 10 else f"{value / 2**20:.1f} MiB"


def calibrated(settings: Settings, *, as_json: bool) -> int:
    """Print how far earlier plans were off."""
    found = calibration.read(settings.gateway.data_dir)
    if as_json:
        print_json({"file": str(settings.gateway.data_dir / calibration.FILE), "starts": found})
    else:
        print("\n".join(calibration_lines(found)))
    return 0


def calibration_lines(found: Sequence[dict[str, Any]]) -> list[str]:
    """A line a start, the newest last, and the largest error."""
    if not found:
        return ["No start of an engine has been compared yet: run `sllm serve`, then look again."]
    head = ("date", "model", "machine", "vLLM", "KV tokens planned", "engine", "error", "weights")
    rows = []
    for record in found[-20:]:
        error = record["error"]
        rows.append(
            (
                str(record.get("date", ""))[:16].replace("T", " "),
                str(record.get("model", "")),
                str(record.get("machine", "")),
                str(record.get("vllm", "")),
                f"{record['predicted'].get('kv_tokens', 0):,}",
                f"{record['engine'].get('kv_tokens', 0):,}",
                _percent(error.get("kv_tokens")),
                _percent(error.get("weights")),
            )
        )
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in (head, *rows)]
    worst = max((abs(record["error"].get("kv_tokens", 0.0)) for record in found), default=0.0)
    return [
        *shown,
        "",
        f"{len(found)} compared, KV tokens off by at most {worst:.1%}. Without a GPU the engine logs no size of its weights.",
    ]


def _percent(value: Any) -> str:
    return f"{value:+.2%}" if isinstance(value, (int, float)) else "-"
