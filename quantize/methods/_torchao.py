"""What the methods of torchao share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from quantize.job import Job, Report
from quantize.methods import _streamed

if TYPE_CHECKING:
    import torch


def run(job: Job, report: Report, scheme: Callable[[], Any]) -> None:
    """Quantize with the torchao configuration that `scheme` makes."""

    def config(kept: list[str] | None) -> Any:
        from transformers import TorchAoConfig

        return TorchAoConfig(scheme(), modules_to_not_convert=kept)

    _streamed.run(job, report, _streamed.Library(config, flatten, tensors=3, metadata=500))


def flatten(tensors: Mapping[str, torch.Tensor]) -> tuple[Mapping[str, torch.Tensor], Mapping[str, str]]:
    """torchao's own layout for safetensors: the parts of each tensor, and how to put them together again."""
    from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict

    parts, about = flatten_tensor_state_dict(tensors)
    about.pop("tensor_names")
    return dict(sorted(parts.items())), {name: _in_order(text) for name, text in about.items()}


def _in_order(text: str) -> str:
    """torchao lists the parts in the order of a set, which differs from run to run."""
    about = json.loads(text)
    if "_tensor_data_names" in about:
        about["_tensor_data_names"] = sorted(about["_tensor_data_names"])
    return json.dumps(about)
