"""The plan: a model of the configuration on a device, in each format; what fits, and for what does not, what would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from server.engine import argv, resolve
from server.engine.planner import formats, gpus, memory, source
from server.engine.planner.memory import GIB, Device
from server.engine.planner.shape import Layer, Shape
from server.errors import StartError, UsageError
from server.settings import Model

SUSPECTED_RANK = 16  # of an adapter on the hub, whose configuration is not fetched
FULL_KV = {"float32": "bfloat16", "float": "bfloat16", "half": "float16"}


@dataclass(frozen=True)
class Row:
    """One format with one type of KV cache. Bytes of one GPU; `kv_memory` is negative where the rest alone is too much.

    `tokens` and `concurrency` are at the planned length; `longest` is the longest context of one request.
    """

    format: str
    kv_dtype: str
    weights: int
    kv_memory: int
    kv_bytes: float
    tokens: int
    longest: int
    concurrency: float
    fits: bool


@dataclass(frozen=True)
class Remedy:
    """Something that would fit: what, and the commands."""

    what: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """`length` is the planned context in tokens; `served` the row of the checkpoint as it is; `commands` serve what `chosen` says."""

    model: str
    shape: Shape
    device: Device
    length: int
    reserve: int
    adapters: int
    draft: int
    rows: tuple[Row, ...]
    served: Row | None
    chosen: Row | None
    commands: tuple[str, ...]
    remedies: tuple[Remedy, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Load:
    """What is loaded beside the model: bytes of adapters and draft on one GPU, and the layers of the draft's KV cache."""

    adapters: int = 0
    draft: int = 0
    layers: tuple[Layer, ...] = ()
    notes: tuple[str, ...] = ()


def plan(model: Model, device: Device, wanted: int | None = None, *, typed: str | None = None) -> Plan:
    """What `model` needs on `device` for contexts of `wanted` tokens; `typed` is what the user
    types after `sllm serve`. Raises StartError, UsageError."""
    spec = model.speculative
    shape = source.read(model.path or "", model.revision, mtp=bool(spec and spec.method == "mtp"))
    return of_shape(model, shape, beside(model, shape, device), configured(device, model), wanted, typed=typed)


def of_shape(model: Model, shape: Shape, load: Load, device: Device, wanted: int | None = None, *, typed: str | None = None) -> Plan:
    """The same for a shape that is known."""
    length = _length(model, shape, wanted)
    reserved = memory.reserve(shape, device)
    sizes = {name: size for name, size in formats.weights(shape, model.dtype).items() if device.fp8 or name != "fp8"}
    as_is = formats.served(shape, model.dtype)
    kv_dtypes = _kv_dtypes(model, shape)
    if not device.fp8 or (device.kind == "cpu" and any(layer.head_dim % 32 for layer in shape.layers)):  # as kvcache.py says
        kv_dtypes = kv_dtypes[:1]
    if shape.unplanned:
        rows = [_unplanned(name, size, reserved, load, device) for name, size in sizes.items()]
    else:
        rows = [row(shape, name, size, dtype, load, device, length) for name, size in sizes.items() for dtype in kv_dtypes]
    typed = typed or model.path or model.name
    served = next((r for r in rows if r.format == as_is), None)
    chosen = next((r for r in _preferred(rows, as_is) if r.fits), None)
    notes = [*load.notes, *_notes(shape, device, model)]
    asked = wanted or (model.max_model_len if model.max_model_len != "auto" else None)

    def to_type(row: Row, tokens: int | None) -> tuple[str, ...]:
        return commands(typed, row, as_is, kv_dtypes[0], tokens, online=device.kind == "cuda")

    remedies = []
    if served and not served.fits:
        remedies = _elsewise(rows, as_is, kv_dtypes[0], length, asked, to_type)
        if device.kind == "cpu":
            remedies += _with_memory(typed, served, shape, load, device, length)
        else:
            remedies += _with_cards(typed, served, shape, load, device, length)
    return Plan(
        model=model.name,
        shape=shape,
        device=device,
        length=length,
        reserve=reserved,
        adapters=load.adapters,
        draft=load.draft,
        rows=tuple(rows),
        served=served,
        chosen=chosen,
        commands=to_type(chosen, asked) if chosen else (),
        remedies=tuple(remedies),
        notes=tuple(notes),
    )


def row(shape: Shape, name: str, weights: int, dtype: str, load: Load, device: Device, length: int) -> Row:
    """One format on `device`."""
    layers = (*shape.layers, *load.layers)
    pool = memory.pool(layers, dtype, device)
    left = room(weights, shape, load, device)
    longest = pool.longest(left, length) if left > 0 else 0
    tokens, concurrency = pool.capacity(left, length) if left > 0 else (0, 0.0)
    per_token = sum(memory.kv_bytes(memory.split(layer, device.gpus), dtype) for layer in layers)
    return Row(name, dtype, weights // device.gpus, left, per_token, tokens, longest, concurrency, fits=longest >= length)


def room(weights: int, shape: Shape, load: Load, device: Device) -> int:
    """Bytes of one GPU that are left for the KV cache: vLLM's share of it, less weights, adapters, draft and reserve
    (`Worker.determine_available_memory`). A KV cache of a fixed size is taken as it is, where it fits."""
    taken = weights // device.gpus + load.adapters + load.draft + memory.reserve(shape, device)
    if device.kv_memory:
        return device.kv_memory if taken + device.kv_memory <= device.memory else device.memory - taken - device.kv_memory
    return int(device.memory * device.share) - taken


def beside(model: Model, shape: Shape, device: Device) -> Load:
    """Adapters and draft of the configuration. Raises StartError."""
    notes: list[str] = []
    ranks = []
    for name, path in model.adapters.items():
        if folder := resolve.local(path):
            ranks.append(resolve.adapter_rank(folder))
        else:
            ranks.append(SUSPECTED_RANK)
            notes.append(f"adapter '{name}' is on the hub: its rank was taken to be {SUSPECTED_RANK}")
    rank = next((r for r in argv.LORA_RANKS if r >= max(ranks)), max(ranks)) if ranks else 0
    adapters = memory.lora(shape, rank, min(len(ranks), 8), device.gpus)
    spec = model.speculative
    if not spec or not spec.model:
        return Load(adapters, notes=tuple(notes))
    draft = source.read(spec.model)
    if draft.unplanned:
        raise StartError(f"the draft {spec.model} cannot be planned: {draft.unplanned}")
    size = formats.weights(draft)[formats.served(draft)]
    return Load(adapters, size // device.gpus, draft.layers, tuple(notes))


def configured(device: Device, model: Model) -> Device:
    """`device` with what the configuration says of memory and of the batch."""
    flags = {key.lstrip("-").replace("_", "-"): value for key, value in model.engine_args.items()}
    gpu = device.kind == "cuda"
    fixed = model.kv_cache_memory if model.kv_cache_memory != "auto" else 0
    named = flags.get("gpu-memory-utilization", model.gpu_memory_utilization)
    return replace(
        device,
        share=_float(named, device.share) if gpu else device.share,
        kv_memory=_int(flags, "kv-cache-memory-bytes", fixed or device.kv_memory),
        batched_tokens=_int(flags, "max-num-batched-tokens", device.batched_tokens),
        sequences=_int(flags, "max-num-seqs", device.sequences),
        block=_int(flags, "block-size", device.block),
        gpus=max(1, _int(flags, "tensor-parallel-size", device.gpus)),
        eager=bool(flags.get("enforce-eager", device.eager)),
    )


def _int(flags: Mapping[str, Any], name: str, default: int) -> int:
    value = flags.get(name)
    return default if value is None or not str(value).isdigit() else int(value)


def _float(value: Any, default: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


def _length(model: Model, shape: Shape, wanted: int | None) -> int:
    flags = {key.lstrip("-").replace("_", "-"): value for key, value in model.engine_args.items()}
    said = wanted or _int(flags, "max-model-len", 0) or (model.max_model_len if model.max_model_len != "auto" else 0)
    if said and shape.context and said > shape.context:
        raise UsageError(
            f"'{model.name}' goes up to {shape.context:,} tokens and {said:,} were asked for: give at most --max-model-len {shape.context}"
        )
    if not (said or shape.context):
        raise UsageError(f"the config.json of '{model.name}' names no longest context: give one, such as --max-model-len 8192")
    return said or shape.default_context


def _kv_dtypes(model: Model, shape: Shape) -> list[str]:
    """The type that is served, and fp8 beside it where that is smaller."""
    named = shape.kv_dtype or FULL_KV.get(shape.dtype, shape.dtype)
    flags = {key.lstrip("-").replace("_", "-"): value for key, value in model.engine_args.items()}
    wanted = str(flags.get("kv-cache-dtype", model.kv_cache_dtype))
    first = wanted if wanted != "auto" else named
    first = first if first in memory.KV_BYTES or wanted != "auto" else "bfloat16"
    return [first, "fp8"] if memory.KV_BYTES.get(first, 0) == 2 else [first]


def _unplanned(name: str, weights: int, reserved: int, load: Load, device: Device) -> Row:
    left = int(device.memory * device.share) - weights // device.gpus - load.adapters - load.draft - reserved
    return Row(name, "", weights // device.gpus, left, 0.0, 0, 0, 0.0, left > 0)


def _preferred(rows: list[Row], as_is: str) -> list[Row]:
    """As it is, then as it is with a smaller KV cache, then smaller weights: what changes least first."""
    order = {name: place for place, name in enumerate((as_is, "fp8", *formats.FOUR_BIT))}
    return sorted((r for r in rows if r.format in order), key=lambda r: order[r.format])


def commands(typed: str, row: Row, as_is: str, kv: str, length: int | None, *, online: bool = True) -> tuple[str, ...]:
    """What to type to serve `row`. A checkpoint that does not exist yet is made first; fp8 weights are made `online`, while loading."""
    words, first, name = [], [], typed
    method = next((f.method for f in formats.FORMATS if f.name == row.format), "")
    if row.format != as_is and row.format == "fp8" and online:
        words += ["--quantization", "fp8"]
    elif row.format != as_is:
        name = f"./{typed.partition(' ')[0].rstrip('/').rpartition('/')[2]}-{method}"
        first = [f"sllm quantize {typed} --method {method}"]
    if row.kv_dtype not in ("", kv):
        words += ["--kv-cache-dtype", row.kv_dtype]
    if length:
        words += ["--max-model-len", str(length)]
    return (*first, f"sllm serve {name}" + (f" -- {' '.join(words)}" if words else ""))


def _elsewise(
    rows: list[Row], as_is: str, kv: str, length: int, asked: int | None, to_type: Callable[[Row, int | None], tuple[str, ...]]
) -> list[Remedy]:
    """What would fit here: a shorter context, a smaller KV cache, smaller weights, or smaller weights and a shorter context."""
    found = []
    for r in (r for r in rows if r.format == as_is and 0 < r.longest < length):
        found.append(Remedy(_words(r, as_is, kv, r.longest), to_type(r, r.longest)))
    preferred = _preferred(rows, as_is)
    fitting = {r.format: r for r in reversed(preferred) if r.fits}  # the first of each format
    for r in (r for r in preferred if fitting.get(r.format) is r):
        found.append(Remedy(_words(r, as_is, kv), to_type(r, asked)))
    if not found:
        shorter = {r.format: r for r in preferred if r.longest}  # the last of each: its smallest KV cache
        found += [Remedy(_words(r, as_is, kv, r.longest), to_type(r, r.longest)) for r in shorter.values()]
    return found


def _words(row: Row, as_is: str, kv: str, length: int = 0) -> str:
    parts = [f"weights in {row.format}"] if row.format != as_is else []
    parts += [f"the KV cache in {row.kv_dtype}"] if row.kv_dtype not in ("", kv) else []
    parts += [f"contexts of up to {length:,} tokens"] if length else []
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def _with_memory(typed: str, served: Row, shape: Shape, load: Load, device: Device, length: int) -> list[Remedy]:
    """Without a GPU: a larger KV cache, or a machine with more memory."""
    pool = memory.pool((*shape.layers, *load.layers), served.kv_dtype, device) if served.kv_dtype else None
    cache = pool.block_bytes * (pool.blocks(length) + 1) if pool else 0
    taken = served.weights + load.adapters + load.draft + memory.reserve(shape, device) + max(cache, device.kv_memory)
    if taken > device.memory:
        return [Remedy(f"a machine with {taken / GIB:.1f} GiB of free memory")]
    return [Remedy(f"a KV cache of {cache / GIB:.1f} GiB", (f"sllm serve {typed} -- --kv-cache-memory-bytes {cache}",))]


def _with_cards(typed: str, served: Row, shape: Shape, load: Load, device: Device, length: int) -> list[Remedy]:
    """The smallest card that holds the checkpoint as it is, and how many of this one would."""

    def fits(card: Device) -> bool:
        many = card.gpus // device.gpus
        beside = Load(load.adapters // many, load.draft // many, load.layers)
        if shape.unplanned:
            return _unplanned(served.format, weights, memory.reserve(shape, card), beside, card).fits
        return row(shape, served.format, weights, served.kv_dtype, beside, card, length).fits

    weights = served.weights * device.gpus
    found = []
    for name in gpus.bigger(device.memory + 1):
        card = replace(memory.cuda(gpus.memory(name), name), share=device.share, gpus=device.gpus, eager=device.eager)
        if fits(replace(card, kv_memory=device.kv_memory)):
            found.append(Remedy(f"a card such as {name} ({card.memory / GIB:.0f} GiB)"))
            break
    for many in (n for n in (2, 4, 8) if n > device.gpus and shape.heads % n == 0):
        if fits(replace(device, gpus=many)):
            found.append(Remedy(f"{many} cards like this one", (f"sllm serve {typed} -- --tensor-parallel-size {many}",)))
            break
    return found or [Remedy(f"more than {max(8, device.gpus)} cards like this one, or smaller weights on several")]


def _notes(shape: Shape, device: Device, model: Model) -> list[str]:
    found = []
    if shape.unplanned:
        found.append(f"the KV cache is not planned: {shape.unplanned}")
    if shape.default_context < shape.context:
        found.append(f"unasked the engine takes {shape.default_context:,} tokens; --max-model-len {shape.context} goes to its longest")
    if shape.towers:
        found.append("it sees or hears as well: what its encoders take while they run is not in the reserve")
    if not formats.exact(shape) and model.dtype == "auto":
        found.append("the checkpoint is not in 16 bit, and the engine loads it in 16 bit")
    if model.speculative and model.speculative.method in ("ngram", "suffix"):
        found.append(f"{model.speculative.method} proposes without a model of its own and takes no memory of the GPU")
    if (windows := sum(1 for layer in shape.layers if layer.window)) and not shape.unplanned:
        found.append(f"{windows} of {len(shape.layers)} layers keep a window instead of the whole context")
    return found
