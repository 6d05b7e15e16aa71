"""Why an engine ended: its log and exit status in, one sentence with what to change out.

The table is read from the top and the first row whose pattern stands in the log wins, so what is particular comes before
what is general. Every row is tested on real lines of vLLM's (tests/server/engine/logs).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

Match = re.Match[str]


@dataclass(frozen=True)
class Diagnosis:
    """`retry`: whether starting again without a change could help."""

    sentence: str
    retry: bool = True
    row: str = ""


@dataclass(frozen=True)
class Row:
    """`say` is a sentence, with {1}, {2} for what the pattern caught, or a function of the match."""

    name: str
    pattern: str
    say: str | Callable[[Match], str]
    retry: bool = False

    def sentence(self, match: Match) -> str:
        return self.say(match) if callable(self.say) else self.say.format(match[0], *(group or "" for group in match.groups()))


def _share_that_fits(found: Match) -> str:
    free, total, wanted = float(found[1]), float(found[2]), float(found[3])
    fits = math.floor(100 * free / total) / 100
    return (
        f"{free:g} of {total:g} GiB are free and this engine wants {wanted:g} of all: set `gpu_memory_utilization: {fits:g}` or less, "
        "or end what else uses the memory (nvidia-smi shows it)"
    )


def _length_that_fits(found: Match) -> str:
    wanted, fits = int(found[1]), int(found[2])
    return (
        f"the KV cache has no room for one request of {wanted} tokens: set `max_model_len: {fits}` or less (`auto` takes what fits), "
        "or raise `kv_cache_memory` or `gpu_memory_utilization`"
    )


TABLE: tuple[Row, ...] = (
    # The command line.
    Row(
        "unknown flag",
        r"error: unrecognized arguments: (.+)",
        "vLLM knows no flag {1}: check `engine_args` against `vllm serve --help=all`",
    ),
    Row("bad value of a flag", r"error: (argument --\S+: .+)", "vLLM refused {1}: check `engine_args`"),
    Row(
        "unknown tool parser",
        r"invalid tool call parser: (\S+)",
        "vLLM knows no tool parser '{1}': set `tool_parser` to one of its own names, or to none",
    ),
    # Memory.
    Row(
        "free memory below the share",
        r"Free memory on device\s?\S* \(([\d.]+)/([\d.]+) GiB\) on startup is less than desired GPU memory utilization \(([\d.]+),",
        _share_that_fits,
        retry=True,
    ),
    Row(
        "memory of other processes changed",
        r"Error in memory profiling\. Initial free memory",
        "another process gave GPU memory back while this engine measured it: start them one after the other, or set `kv_cache_memory`",
        retry=True,
    ),
    Row(
        "memory below the share, no GPU",
        r"Available memory on node \d+ \(([\d.]+)/[\d.]+ GiB\) on startup is less than desired CPU memory utilization",
        "the engine wants more memory than the {1} GiB that are free: set `kv_cache_memory: 1GiB`, or end other programs",
    ),
    Row(
        "KV cache larger than memory",
        r"Available memory on node \d+ \(([\d.]+)/[\d.]+ GiB\) on kv cache allocation is less than requested memory for kv \(([\d.]+)",
        "a KV cache of {2} GiB does not fit in {1} GiB of free memory: lower `kv_cache_memory`",
    ),
    Row(
        "context longer than the KV cache",
        r"max seq len \((\d+)\).*?estimated maximum model length is (\d+)",
        _length_that_fits,
    ),
    Row(
        "no memory for the KV cache",
        r"No available memory for the cache blocks",
        "the weights leave no memory for the KV cache: raise `gpu_memory_utilization` or `kv_cache_memory`, or serve a quantized model",
    ),
    Row(
        "GPU memory during warm-up",
        r"out of memory occurred when warming up sampler with (\d+) dummy requests",
        "the GPU's memory ran out while {1} requests at once were tried: set `engine_args: {{max-num-seqs: 64}}`, "
        "or lower `gpu_memory_utilization`",
    ),
    Row(
        "GPU out of memory",
        r"CUDA out of memory\. Tried to allocate ([\d.]+ \w+)\. GPU \d+ has a total capacity of ([\d.]+ \w+) of which ([\d.]+ \w+) is free",
        "the GPU's memory ({2}) ran out: {1} more were wanted and {3} were free; lower `gpu_memory_utilization` by 0.05 or "
        "`max_model_len`, or serve a quantized model",
    ),
    # The checkpoint.
    Row(
        "context longer than the model's",
        r"User-specified max_model_len \((\d+)\) is greater than the derived max_model_len \(\w+=([\d]+)",
        "the model was made for {2} tokens and `max_model_len` asks for {1}: set {2} or less, or `auto`",
    ),
    Row(
        "bitsandbytes without its plugin",
        r"Unknown quantization method: bitsandbytes",
        "this vLLM reads bitsandbytes checkpoints with a plugin only: `pip install --no-deps vllm-bnb-plugin bitsandbytes`",
    ),
    Row(
        "unknown quantization",
        r"Unknown quantization method: (\S+?)\.",
        "vLLM knows no quantization '{1}': serve a gptq, awq, compressed-tensors or fp8 checkpoint",
    ),
    Row(
        "quantization too new for the GPU",
        r"quantization method (\S+) is not supported for the current GPU\. Minimum capability: (\d+)\. Current capability: (\d+)",
        "{1} wants a GPU of compute capability {2} and this one has {3}: serve a gptq checkpoint, or the model without quantization",
    ),
    Row(
        "quantization scheme too new for the GPU",
        r"Quantization scheme is not supported for .*?Min capability: (\d+)\..*?Current capability: (\d+)",
        "this quantization wants a GPU of compute capability {1} and this one has {2}: serve a 4-bit gptq checkpoint",
    ),
    Row(
        "no kernel for this quantization",
        r"does not support weight_bits = (\w+?)\. Only types = \[(.+?)\]",
        "there is no kernel for weights of type {1} here (there is for {2}): quantize the model to 4 bits, or serve it without",
    ),
    Row(
        "data type too new for the GPU",
        r"Bfloat16 is only supported on GPUs with compute capability of at least",
        "this GPU knows no bfloat16: set `dtype: float16`",
    ),
    Row(
        "unsupported architecture",
        r"Model architectures \['([^']+)'\] are not supported",
        "vLLM cannot serve the architecture {1}: choose another model, or a newer vLLM",
    ),
    Row(
        "model type unknown to transformers",
        r"has model type `([^`]+)` but Transformers does not recognize this architecture",
        "the installed transformers does not know the model type '{1}': choose another model, or a newer vLLM with its transformers",
    ),
    Row(
        "code of the model's own",
        r"contains custom code which must be executed to correctly load the model",
        "the model brings its own code: read it, and allow it with `engine_args: {{trust-remote-code: true}}`",
    ),
    Row(
        "tokenizer missing",
        r"Couldn't instantiate the backend tokenizer",
        "the model's folder has no tokenizer: copy tokenizer.json into it, or set `engine_args: {{tokenizer: ID}}`",
    ),
    Row(
        "weights cut short",
        r"SafetensorError: (Error while deserializing header: .+)",
        "a weights file is not whole ({1}): download the model again",
    ),
    Row(
        "gated model",
        r"You are trying to access a gated repo\.\s+Make sure to have access to it at (\S+?)\.?\s",
        "the model is gated: accept its licence at {1}, then `hf auth login` or set HF_TOKEN",
    ),
    Row(
        "model not in the cache",
        r"outgoing traffic has been disabled|offline mode is enabled|couldn't connect to '\S+' to load the files",
        "a model that this one needs is not in the cache and the hub cannot be asked: `hf download` it, or give a folder",
    ),
    # LoRA and speculative decoding.
    Row(
        "LoRA rank too high",
        r"LoRA rank (\d+) is greater than max_lora_rank (\d+)",
        "an adapter has rank {1} and the engine takes {2}: set `engine_args: {{max-lora-rank: {1}}}`",
    ),
    Row(
        "adapter missing",
        r"Loading lora (\S+) failed: No adapter found for (\S+)",
        "there is no adapter '{1}' at {2}: check `adapters`",
    ),
    Row(
        "suffix decoding not installed",
        r"Arctic Inference is required for suffix decoding. Install via `(.+?)`",
        "suffix decoding needs a package more: `{1}`, or set `speculative: {{method: ngram}}`",
    ),
    Row(
        "draft of another vocabulary",
        r"Target and draft model should have the same vocabulary size|[Tt]arget model vocabulary size|vocab(?:ulary)? size.*draft",
        "the draft model has another vocabulary: take a smaller model of the same family",
    ),
    # The machine.
    Row(
        "driver too old",
        r"The NVIDIA driver on your system is too old \(found version (\d+)\d\d\d\)",
        lambda found: (
            f"the NVIDIA driver (for CUDA {found[0].rsplit(' ', 1)[1][:2]}) is too old for this PyTorch: "
            "update the driver, or set `engine: cpu`"
        ),
    ),
    Row(
        "no GPU",
        r"No CUDA GPUs are available|Failed to infer device type",
        "vLLM finds no GPU: check `nvidia-smi` and CUDA_VISIBLE_DEVICES, or install the CPU engine with `make serve ENGINE=cpu`",
    ),
    Row(
        "no kernels for the GPU",
        r"no kernel image is available for execution on the device",
        "this build of vLLM has no kernels for this GPU: it is older or newer than the build; install another vLLM",
    ),
    Row(
        "GPUs fewer than asked for",
        r"Total number of attention heads \((\d+)\) must be divisible by tensor parallel size \((\d+)\)",
        "{1} attention heads cannot be divided among {2} GPUs: set `engine_args: {{tensor-parallel-size: N}}` to a divisor of {1}",
    ),
    Row(
        "socket path too long",
        r"AF_UNIX path too long",
        "the socket's path is too long: set XDG_RUNTIME_DIR to a short folder, such as /tmp",
    ),
    Row(
        "port taken",
        r"Address already in use|error while attempting to bind on address",
        "a port that the engine wants is taken: set another with `engine_args: {{master-port: N}}`, or end what holds it",
        retry=True,
    ),
    Row(
        "disk full",
        r"No space left on device|No usable temporary directory",
        "the disk is full: free space, or set TMPDIR, VLLM_CACHE_ROOT and HF_HOME to another one",
        retry=True,
    ),
    Row(
        "worker killed",
        r"\A(?![\s\S]*EngineCore[^\n]*ERROR)[\s\S]*(?:EngineDeadError|Engine core proc \S+ died unexpectedly)",
        "the engine's inner process was ended from outside, most often by the kernel when memory runs out (`dmesg | tail` says so): "
        "lower `kv_cache_memory`, or serve a smaller or quantized model",
        retry=True,
    ),
)

KILLED = (
    "the engine was killed (signal 9), most often by the kernel when memory runs out (`dmesg | tail` says so): "
    "lower `kv_cache_memory`, or serve a smaller or quantized model"
)
# The last line of a traceback as vLLM prints it, with or without the process's name before it, and pydantic's own form.
LAST_ERROR = re.compile(r"^(?:\(.*?\) )?(?:ERROR .*?\] )?((?:\w+\.)*\w*(?:Error|Exception|Interrupt)\b: .+)$", re.MULTILINE)
VALUE_ERROR = re.compile(r"^ +Value error, (.+?)(?: \[type=|$)", re.MULTILINE)


def explain(log: str, status: int | None) -> Diagnosis:
    """The cause in words. `status` as subprocess counts it: negative for a signal."""
    for row in TABLE:
        if match := re.search(row.pattern, log):
            return Diagnosis(row.sentence(match), row.retry, row.name)
    if status == -9:
        return Diagnosis(KILLED, row="killed")
    if errors := VALUE_ERROR.findall(log) or [line for line in LAST_ERROR.findall(log) if "root cause" not in line]:
        return Diagnosis(f"the engine ended with '{errors[-1][:300]}'")
    return Diagnosis(f"the engine ended (exit status {status}) and its log names no cause")
