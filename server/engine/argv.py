"""The engine's command line and environment, built in this one place from the configuration.

Flags are a dict by vLLM's own names; the user's `engine_args` are laid over ours and win; `None` takes one of ours away.
Every flag here exists in vLLM 0.25 to 0.33.

Not set: --enable-force-include-usage. Since 0.32 it puts a usage object into every chunk of every stream, asked for or not;
a request's own `stream_options.include_usage` gives the same figures once, at the end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.engine import plugins
from server.engine.checkpoint import Checkpoint, Task
from server.engine.machine import Machine
from server.engine.manifest import Manifest
from server.settings import Model, Speculative

GIB = 2**30
CPU_KV_CACHE = GIB
SEQUENCES_ON_CPU = 256
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # the values that --max-lora-rank takes
SMALL_MACHINE = 4  # cores
SCHEDULER = "sllm_scheduler.scheduler"
INSIDE = Path(__file__).parent / "inside"  # what the engine's own process imports of ours

Flags = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """What an engine is made of, resolved to local folders. `share` is the part of the GPU, None for vLLM's default."""

    model: Model
    checkpoint: Checkpoint
    socket: Path
    engines: int = 1
    share: float | None = None
    adapters: Mapping[str, Path] = field(default_factory=dict)
    adapter_rank: int = 0
    draft: Path | None = None
    manifest: Manifest | None = None
    drain: float = 30.0


@dataclass(frozen=True)
class Command:
    argv: tuple[str, ...]
    env: Mapping[str, str]
    slots: int = 0  # requests that the engine runs at a time; 0: vLLM decides


def command(parts: Parts, machine: Machine, environ: Mapping[str, str]) -> Command:
    """How to start the engine: the argv, and the whole environment (`environ` with ours under it)."""
    flags = {
        **(parts.manifest.flags if parts.manifest else {}),
        **serving(parts),
        **model_flags(parts),
        **(chat(parts) if task_of(parts) == "generate" else {}),
        **lora(parts),
        **memory(parts, machine),
        **sampling(parts, machine),
        **stepping_aside(parts, machine),
        **engine_args(parts),
    }
    argv = (*machine.command, str(parts.checkpoint.path), *render(flags))
    env = {**environment(parts, machine), **environ}
    if flags.get("scheduler-cls") == SCHEDULER:
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(INSIDE), environ.get("PYTHONPATH", ""))))
    slots = flags.get("max-num-seqs")
    return Command(argv, env, slots if isinstance(slots, int) else 0)


def task_of(parts: Parts) -> Task:
    """The configured task, or the checkpoint's own."""
    return parts.checkpoint.task if parts.model.task == "auto" else parts.model.task


def takes_priority(parts: Parts) -> bool:
    """Whether requests may carry `priority`: vLLM refuses it under another scheduling policy."""
    return task_of(parts) == "generate" and engine_args(parts).get("scheduling-policy", "priority") == "priority"


def serving(parts: Parts) -> Flags:
    """Reached through the socket only; quiet; ends running requests before it ends itself."""
    return {
        "uds": str(parts.socket),
        "served-model-name": parts.model.name,
        "disable-uvicorn-access-log": True,
        "uvicorn-log-level": "warning",
        "disable-fastapi-docs": True,
        "shutdown-timeout": max(1, round(parts.drain)),
    }


def model_flags(parts: Parts) -> Flags:
    """What is served, and as what."""
    model, flags = parts.model, Flags()
    if model.dtype != "auto":
        flags["dtype"] = model.dtype
    if model.quantization != "auto":  # auto: vLLM reads the checkpoint
        flags["quantization"] = model.quantization
    elif parts.checkpoint.said_beside:
        flags["quantization"] = parts.checkpoint.quantization
    if model.kv_cache_dtype != "auto":
        flags["kv-cache-dtype"] = model.kv_cache_dtype
    task = task_of(parts)
    if task == "generate":
        flags["max-model-len"] = model.max_model_len
        flags["scheduling-policy"] = "priority"
        if model.speculative:
            flags["speculative-config"] = speculative(model.speculative, parts.draft)
        return flags
    flags["runner"] = "pooling"
    if model.task != "auto" and model.task != parts.checkpoint.task:
        flags["convert"] = {"embed": "embed", "score": "classify"}[task]
    if model.max_model_len != "auto":
        flags["max-model-len"] = model.max_model_len
    return flags


def speculative(spec: Speculative, draft: Path | None) -> Flags:
    """vLLM's --speculative-config. Suffix decoding decides the number of tokens itself, up to its own limit."""
    config: Flags = {"method": spec.method, "num_speculative_tokens": spec.tokens}
    if spec.method == "ngram":
        config |= {"prompt_lookup_max": 4, "prompt_lookup_min": 2}
    if spec.method == "suffix" and "tokens" not in spec.model_fields_set:
        del config["num_speculative_tokens"]
    if draft is not None:
        config["model"] = str(draft)
    return config | spec.engine_args


def chat(parts: Parts) -> Flags:
    """Tool calls, reasoning and the chat template."""
    model, checkpoint, flags = parts.model, parts.checkpoint, Flags()
    tools = checkpoint.tool_parser if model.tool_parser == "auto" else model.tool_parser
    if tools not in ("", "none"):
        flags |= {"enable-auto-tool-choice": True, "tool-call-parser": tools}
    reasoning = checkpoint.reasoning_parser if model.reasoning_parser == "auto" else model.reasoning_parser
    if reasoning not in ("", "none"):
        flags["reasoning-parser"] = reasoning
    if model.chat_template:
        flags["chat-template"] = model.chat_template
    return flags


def lora(parts: Parts) -> Flags:
    """Adapters, each callable by its name."""
    if not parts.adapters:
        return {}
    rank = next((r for r in LORA_RANKS if r >= parts.adapter_rank), parts.adapter_rank)
    return {
        "enable-lora": True,
        "lora-modules": [f"{name}={path}" for name, path in parts.adapters.items()],
        "max-lora-rank": rank,
        "max-loras": min(len(parts.adapters), 8),
    }


def memory(parts: Parts, machine: Machine) -> Flags:
    """The KV cache: bytes where the user names them, else a share of the GPU, else a modest part of a CPU machine's memory."""
    wanted = parts.model.kv_cache_memory
    if machine.kind == "cuda":
        if wanted != "auto":
            return {"kv-cache-memory-bytes": wanted}
        share = parts.share if parts.model.gpu_memory_utilization == "auto" else parts.model.gpu_memory_utilization
        return {} if share is None else {"gpu-memory-utilization": share}
    # Eager with a fixed cache size: vLLM then skips profiling and warm-up; compiling takes a minute on small machines.
    flags: Flags = {"enforce-eager": True, "max-num-seqs": SEQUENCES_ON_CPU}
    size = cpu_cache(parts, machine)
    return flags if size % GIB == 0 else {**flags, "kv-cache-memory-bytes": size}


def sampling(parts: Parts, machine: Machine) -> Flags:
    """Greedy by default where a draft proposes without a GPU: vLLM's CPU build (seen with 0.32) goes on with wrong tokens
    after a proposal that it rejects at a temperature above 0. A request that names a temperature still gets it."""
    wrong = machine.kind == "cpu" and parts.model.speculative is not None and task_of(parts) == "generate"
    return {"override-generation-config": {"temperature": 0.0}} if wrong else {}


def stepping_aside(parts: Parts, machine: Machine) -> Flags:
    """Batch work left out of the steps that compute an interactive request's prompt (inside/sllm_scheduler.py).

    Without a GPU only, where it was tested; elsewhere for those who name it in `engine_args`.
    """
    return {"scheduler-cls": SCHEDULER} if machine.kind == "cpu" and takes_priority(parts) else {}


def cpu_cache(parts: Parts, machine: Machine) -> int:
    """Bytes of KV cache without a GPU: as configured, else 1 GiB or a tenth of the available memory, whichever is less."""
    wanted = parts.model.kv_cache_memory
    return min(CPU_KV_CACHE, machine.memory // 10) if wanted == "auto" else wanted


def environment(parts: Parts, machine: Machine) -> dict[str, str]:
    """Variables under the user's own: no usage reports, long keep-alive towards the gateway, threads for the CPU."""
    env = {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "600",
        "VLLM_LOGGING_COLOR": "0",
        "VLLM_LOG_STATS_INTERVAL": "60",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore::DeprecationWarning,ignore::FutureWarning",
    }
    env |= plugins.environment(machine.version, machine.plugins)
    if machine.kind == "cuda":
        return env
    if cpu_cache(parts, machine) % GIB == 0 and "kv-cache-memory-bytes" not in engine_args(parts):
        env["VLLM_CPU_KVCACHE_SPACE"] = str(cpu_cache(parts, machine) // GIB)
    # One core stays with the API servers and the gateway; engines share the rest. On two busy cores two threads
    # were up to 40 times slower than one (they wait for each other by spinning), and on idle ones no faster.
    threads = max(1, (machine.cpus - 1) // parts.engines)
    if machine.cpus <= SMALL_MACHINE:
        # The worker inside the engine's own process: one process less, 0.6 GB and 7 s of start-up less (2 cores, vLLM 0.32).
        env |= {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": str(threads)}
    elif parts.engines > 1:
        # Left to itself each engine binds its threads to the same cores.
        env |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": str(threads)}
    return env


def render(flags: Mapping[str, Any]) -> list[str]:
    """Flags as a command line: True -> --flag, False -> --no-flag, a dict -> JSON, a list -> several words, None -> left out."""
    argv: list[str] = []
    for name, value in flags.items():
        if value is None:
            continue
        if isinstance(value, bool):
            argv.append(f"--{name}" if value else f"--no-{name}")
        elif isinstance(value, Mapping):
            argv += [f"--{name}", json.dumps(value)]
        elif isinstance(value, (list, tuple)):
            argv += [f"--{name}", *(json.dumps(v) if isinstance(v, Mapping) else str(v) for v in value)]
        else:
            argv += [f"--{name}", str(value)]
    return argv


def engine_args(parts: Parts) -> Flags:
    """The user's own flags, spelled as vLLM spells them: `max_num_seqs` and `--max-num-seqs` are one."""
    return {key.lstrip("-").replace("_", "-"): value for key, value in parts.model.engine_args.items()}
