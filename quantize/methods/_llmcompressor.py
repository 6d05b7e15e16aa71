"""llm-compressor's work, in two ways, both a layer at a time.

`rounded` looks at nothing but the weights: each is read, quantized, written and let go. `calibrated` runs samples through the model:
its weights stay on disk (compressed-tensors' offloading, in the job's scratch folder), and the library's sequential pipeline brings
one decoder layer into memory, quantizes it, and passes on what comes out of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from quantize.errors import SourceError
from quantize.job import Event, Job, Report
from quantize.methods._compressed import Checkpoint
from quantize.methods._sizes import MIB, ends, largest_layer, tokens
from quantize.methods._streamed import give_back_memory
from quantize.stream import Weights

if TYPE_CHECKING:
    import torch

    from quantize.recipe import Recipe
    from quantize.source import Source

LAYER_ITSELF = re.compile(r"(?:^|\.)(?:layers|layer|h|blocks)\.\d+$")
Modifiers = Callable[[Any, list[str]], list[Any]]  # the library's steps, from the scheme and the layers to leave alone


def rounded(job: Job, report: Report, scheme: Callable[[], Any]) -> None:
    """Quantize every weight by itself."""
    report(Event("phase", phase="loading"))
    import torch
    from compressed_tensors.compressors import compress_module
    from llmcompressor.entrypoints.model_free.lifecycle import calibrate_weight, initialize_quantized_linear

    checkpoint = Checkpoint(job)
    dtype = getattr(torch, checkpoint.dtype)
    chosen = scheme()
    with Weights(job.source) as weights:

        def make(name: str) -> Mapping[str, torch.Tensor]:
            device = "cuda" if torch.cuda.is_available() else "cpu"
            module = initialize_quantized_linear(weights.read(f"{name}.weight").to(device, dtype), chosen, device)
            calibrate_weight(module)
            compress_module(module)
            made = dict(module.state_dict(prefix=f"{name}."))
            if (bias := f"{name}.bias") in weights.stored:
                made[bias] = weights.read(bias).to(dtype)
            return made

        checkpoint.write(make, chosen, report, "quantizing")


def calibrated(job: Job, report: Report, scheme: Callable[[], Any], modifiers: Modifiers) -> None:
    """Quantize with `modifiers` on the job's samples."""
    report(Event("phase", phase="loading"))
    import torch
    from compressed_tensors.compressors import compress_module
    from compressed_tensors.offload import load_offloaded_model, remove_dispatch
    from llmcompressor import oneshot
    from torch.utils.data import DataLoader
    from transformers import AutoModelForCausalLM

    checkpoint = Checkpoint(job)
    with load_offloaded_model():
        model = AutoModelForCausalLM.from_pretrained(
            job.source, dtype=getattr(torch, checkpoint.dtype), device_map={"": "disk"}, offload_folder=str(job.scratch)
        )
    names = pair(checkpoint, model)
    samples: list[dict[str, torch.Tensor]] = [{"input_ids": torch.tensor([sample])} for sample in job.samples()]
    data: Any = DataLoader(samples, batch_size=None)  # type: ignore[arg-type]  # a list is a data set to it
    steps = modifiers(scheme(), [names.get(f"{kept}.weight", f"{kept}.weight").removesuffix(".weight") for kept in checkpoint.kept])
    report(Event("phase", phase="quantizing"))
    with unpinned():
        # `processor` would be a tokenizer; the samples are token ids already, and nothing is asked of it
        oneshot(model, processor=object(), recipe=[*steps, follower(model, report)], dataset=data, pipeline="sequential")

    def make(name: str) -> Mapping[str, torch.Tensor]:
        module = model.get_submodule(names[f"{name}.weight"].removesuffix(".weight"))
        remove_dispatch(module, onload_tensors=True)
        compress_module(module)
        made = dict(module.state_dict(prefix=f"{name}."))
        module.to("meta")
        return made

    def other(name: str) -> torch.Tensor | None:
        if name not in names:
            return None
        owner, _, last = names[name].rpartition(".")
        found: torch.Tensor = getattr(model.get_submodule(owner), last)
        return found.detach()

    some = names[f"{checkpoint.quantized[0]}.weight"].removesuffix(".weight")
    checkpoint.write(make, model.get_submodule(some).quantization_scheme, report, "saving", other)


def pair(checkpoint: Checkpoint, model: Any) -> dict[str, str]:
    """For each tensor in the files its name in the model: the same, or with the base model's prefix. What the model does not have
    is left out. Raises SourceError where the model needs a tensor that the files lack."""
    from compressed_tensors.offload import disable_onloading

    with disable_onloading():
        known = set(model.state_dict())
    missing = known - set(model.all_tied_weights_keys)
    found = {}
    with Weights(checkpoint.job.source) as weights:
        for stored in weights.stored:
            name = stored if stored in known else f"{model.base_model_prefix}.{stored}"
            if name in known:
                found[stored] = name
                missing.discard(name)
    if missing:
        raise SourceError(
            f"{checkpoint.job.source}: the weights have no tensor '{min(missing)}', which {type(model).__name__} needs: files are "
            "missing, or this architecture joins tensors when it is loaded; download it again, or try --method gptq"
        )
    return found


def follower(model: Any, report: Report) -> Any:
    """A step that changes nothing and reports each decoder layer when the steps before it are through with it."""
    from llmcompressor.modifiers import Modifier

    layers = [module for name, module in model.named_modules() if LAYER_ITSELF.search(name)]

    class Follower(Modifier):  # type: ignore[misc]  # the library has no types
        def on_initialize(self, state: Any, **kwargs: Any) -> bool:
            return True

        def on_sequential_epoch_end(self, state: Any, event: Any, modules: list[Any], **kwargs: Any) -> None:
            there = {id(module) for module in modules}
            done = max((number for number, layer in enumerate(layers, 1) if id(layer) in there), default=0)
            if done:
                report(Event("layer", done=done, total=len(layers)))
            give_back_memory()

    return Follower()


@contextmanager
def unpinned() -> Iterator[None]:
    """AWQ pins the memory of what it keeps between layers, for a faster way to a GPU; without one torch raises an error."""
    import torch
    from llmcompressor.pipelines.cache import IntermediatesCache

    if torch.accelerator.is_available():
        yield
        return
    with patch.object(IntermediatesCache, "pin_memory", lambda *args, **kwargs: None):
        yield


def peak_rounded(source: Source) -> int:
    """Bytes: the libraries, and what becomes of the largest weight on its way: float32 copies, integers, packed ones.

    Measured: 455 MiB for the demo model (its largest weight has 0.4 MiB), 538 and 566 MiB with one of 8 MiB."""
    return 455 * MIB + 13 * max(linear.bytes for linear in source.linears)


def peak_gptq(source: Source, recipe: Recipe) -> int:
    """Bytes: the libraries, the layer with a matrix of inputs x inputs in float32 for each of its weights, three and a half more of
    the widest (the inverse and its factors), and what comes out of a layer for each token, with its positions.

    Measured: 557 MiB for the demo model and the bundled samples (34,000 tokens; 496 MiB for 1,000), 941 MiB for 24 layers of
    896 x 4864 and 3,200 tokens."""
    layer = largest_layer(source)
    squares = [4 * linear.inputs**2 for linear in layer]
    work = sum(squares) + int(3.5 * max(squares)) + sum(linear.bytes for linear in layer)
    return 490 * MIB + max(work, ends(source)) + 8 * source.hidden_size * tokens(recipe)


def peak_awq(source: Source, recipe: Recipe) -> int:
    """Bytes: the libraries, eight times a layer, and for each token what goes into each of its parts and comes out of them.

    Measured: 692 MiB for the demo model and the bundled samples (495 MiB for 1,000 tokens), 726 MiB for 24 layers of
    896 x 4864 and 1,000 tokens."""
    layer = largest_layer(source)
    work = 8 * sum(linear.bytes for linear in layer)
    each = 12 * source.hidden_size + 5 * max(linear.inputs for linear in layer)
    return 490 * MIB + max(work, ends(source)) + each * tokens(recipe)


def scratch(source: Source, recipe: Recipe) -> int:
    """Bytes: every weight that is changed is written once more, in half precision, before it is compressed."""
    return sum(2 * linear.inputs * linear.outputs for linear in source.linears)
