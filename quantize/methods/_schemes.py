"""The schemes of compressed-tensors that the methods make, from a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TARGETS = ["Linear"]


def weights(recipe: Mapping[str, Any], observer: str) -> Any:
    """Integers of `bits`, a scale for `group_size` inputs of a row, or for the row; activations as they are. `observer` is the
    library's way to choose a scale: memoryless_minmax, or memoryless_mse, which searches for the smallest squared error."""
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme, QuantizationStrategy, QuantizationType

    grouped = recipe["group_size"] > 0
    return QuantizationScheme(
        targets=TARGETS,
        weights=QuantizationArgs(
            num_bits=recipe["bits"],
            type=QuantizationType.INT,
            symmetric=recipe["symmetric"],
            strategy=QuantizationStrategy.GROUP if grouped else QuantizationStrategy.CHANNEL,
            group_size=recipe["group_size"] if grouped else None,
            observer=observer,
        ),
    )


def preset(name: str) -> Any:
    """A scheme that compressed-tensors has a name for: W8A8, FP8_DYNAMIC."""
    from compressed_tensors.quantization import preset_name_to_scheme

    return preset_name_to_scheme(name, TARGETS)
