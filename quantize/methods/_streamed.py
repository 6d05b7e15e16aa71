"""Quantizing a linear layer at a time: for methods that look at nothing but the weights.

The model is built without memory (torch's meta device); transformers puts the library's layers in place of its own, as it does
when it loads a model; then each weight is read, given to the library, written, and let go. The result is what transformers'
from_pretrained and save_pretrained write, tensor by tensor, without the model ever being in memory.
"""

from __future__ import annotations

import ctypes
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantize import sidefiles
from quantize.errors import SourceError
from quantize.job import Event, Job, Report
from quantize.methods._names import as_engine_knows, ignored
from quantize.stream import NAMES, Shards, Weights

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from quantize.source import Source

HALF = ("bfloat16", "float16")
LIBRARIES = 480 * 2**20  # bytes: Python, torch, transformers and the library, measured


@dataclass(frozen=True)
class Library:
    """How a library is asked: `config` makes transformers' quantization config from the names of the layers to leave alone
    (none: transformers' own choice); `flatten` turns a quantized layer's tensors, by name, into tensors that safetensors can
    hold, and text for the files' metadata. `tensors` and `metadata` bound what a quantized weight becomes: how many tensors,
    and how many bytes of metadata."""

    config: Callable[[list[str] | None], Any]
    flatten: Callable[[Mapping[str, torch.Tensor]], tuple[Mapping[str, torch.Tensor], Mapping[str, str]]]
    tensors: int
    metadata: int = 0


def run(job: Job, report: Report, library: Library) -> None:
    """Quantize `job.source` into `job.out`. Raises SourceError for an architecture whose weights cannot be taken one by one."""
    report(Event("phase", phase="loading"))
    config = json.loads((job.source / "config.json").read_text(encoding="utf-8"))
    stored = config.get("dtype") or config.get("torch_dtype")
    skeleton = prepare(job, library, stored if stored in HALF else HALF[0])
    with Weights(job.source) as weights:
        names = pair(weights, skeleton, job.source)
        shards = Shards(job.out, job.recipe["shard_size"], room(names, library))
        about: dict[str, str] = {}
        groups = in_layers(names)
        total = sum(1 for layer, _ in groups if layer)
        report(Event("phase", phase="quantizing"))
        done = 0
        for layer, members in groups:
            for name in members:
                if skeleton.quantizer.param_needs_quantization(skeleton.model, name):
                    tensors, described = library.flatten(quantized(skeleton, name, weights.read(names[name])))
                    shards.add(tensors)
                    about.update(described)
                else:
                    shards.copy(weights, names[name], skeleton.dtypes[name], name)
                give_back_memory()
            if layer:
                done += 1
                report(Event("layer", done=done, total=total))
    report(Event("phase", phase="saving"))
    shards.finish(metadata(about, skeleton) if library.metadata else {"format": "pt"})
    write_config(job.out, config, skeleton)
    sidefiles.copy(job.source, job.out)


@dataclass(frozen=True)
class Skeleton:
    """The model without memory, the library's layers in place; `dtypes` names (BF16 ...) the type of each of its tensors, `tied` those
    that are another tensor by a second name and are not saved."""

    model: PreTrainedModel
    quantizer: Any
    dtype: str
    dtypes: Mapping[str, str]
    tied: frozenset[str]


def prepare(job: Job, library: Library, dtype: str) -> Skeleton:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.quantizers.auto import AutoHfQuantizer

    config = AutoConfig.from_pretrained(job.source)
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    dtypes = {name: NAMES[str(tensor.dtype).removeprefix("torch.")] for name, tensor in model.state_dict().items()}
    output = {name for name, module in model.named_modules() if module is model.get_output_embeddings()}
    linears = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and name not in output]
    kept = ignored(linears, job.recipe["ignore"])
    quantizer = AutoHfQuantizer.from_config(library.config(as_engine_knows({*kept, *output}) if kept else None), pre_quantized=False)
    quantizer.validate_environment(device_map={"": "cpu"})
    quantizer.preprocess_model(model, device_map={"": "cpu"}, dtype=getattr(torch, dtype), checkpoint_files=None)
    return Skeleton(model, quantizer, dtype, dtypes, frozenset(model.all_tied_weights_keys))


def quantized(skeleton: Skeleton, name: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """The tensors that the library makes of one weight, by name. The model keeps none of them."""
    import torch

    owner, _, last = name.rpartition(".")
    module = skeleton.model.get_submodule(owner)
    made = skeleton.quantizer.get_quantize_ops().convert(
        {name: weight.to(getattr(torch, skeleton.dtype))}, model=skeleton.model, full_layer_name=name, missing_keys=set()
    )
    if name in made:  # the library hands the parameter over; torchao's puts it into the module itself
        module.register_parameter(last, made[name])
    state = {key: tensor for key, tensor in module.state_dict(prefix=f"{owner}.").items() if tensor.device.type != "meta"}
    module.register_parameter(last, None)
    return state


def pair(weights: Weights, skeleton: Skeleton, source: Path) -> dict[str, str]:
    """For each tensor of the model that is saved, its name in the files: the same, or without the base model's prefix."""
    prefix = f"{skeleton.model.base_model_prefix}."
    found = {}
    for name in skeleton.dtypes:
        if name in skeleton.tied:
            continue
        if (stored := name) not in weights.stored and (stored := name.removeprefix(prefix)) not in weights.stored:
            raise SourceError(
                f"{source}: the weights have no tensor '{name}', which {type(skeleton.model).__name__} needs: files are missing, "
                "or this architecture joins tensors when it is loaded; download it again, or try --method gptq"
            )
        found[name] = stored
    return found


def in_layers(names: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The names in groups, in order: ("model.layers.0", its tensors) for a decoder layer, ("", others) for what is outside."""
    groups: list[tuple[str, list[str]]] = []
    for name in names:
        found = re.match(r"(?:[^.]+\.)*?\d+(?=\.)", name)
        layer = found[0] if found else ""
        if not groups or groups[-1][0] != layer:
            groups.append((layer, []))
        groups[-1][1].append(name)
    return groups


def room(names: Mapping[str, str], library: Library) -> int:
    """Bytes that bound the header of one file that holds everything."""
    entry = 150  # a suffix, the type, two dimensions and two offsets of up to 13 digits
    each = (library.tensors * (len(name) + entry) if name.endswith(".weight") else len(name) + entry for name in names)
    return 100 + sum(each) + sum(library.metadata + 2 * len(name) + 20 for name in names if library.metadata) + library.metadata


def metadata(about: Mapping[str, str], skeleton: Skeleton) -> dict[str, str]:
    """What torchao's reader wants in every file: each tensor of the model with its kind, in the model's order."""
    plain = json.dumps({"_type": "Tensor"})
    kinds = {name: about.get(name, plain) for name in skeleton.dtypes}
    return {**kinds, "tensor_names": json.dumps([*kinds]), "format": "pt"}


def write_config(out: Path, config: Mapping[str, Any], skeleton: Skeleton) -> None:
    """The source's config.json with the quantization as transformers writes it."""
    from transformers import PreTrainedConfig

    holder = PreTrainedConfig()
    holder.quantization_config = skeleton.quantizer.quantization_config
    about = json.loads(holder.to_json_string(use_diff=False))["quantization_config"]
    kept = {key: value for key, value in config.items() if key != "torch_dtype"}
    text = json.dumps({**kept, "dtype": skeleton.dtype, "quantization_config": about}, indent=2, ensure_ascii=False)
    (out / "config.json").write_text(text + "\n", encoding="utf-8")


def give_back_memory() -> None:
    """Hand freed memory to the system at once: the C library keeps blocks, and the peak would be of what it keeps."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def peak(source: Source, largest: float) -> int:
    """Bytes: the libraries, and `largest` times the largest weight in bf16."""
    return LIBRARIES + int(largest * max((linear.bytes for linear in source.linears), default=0))
