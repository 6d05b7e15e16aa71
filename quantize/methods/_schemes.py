"""The schemes of compressed-tensors that the methods make, from a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TARGETS = ["Linear"]


# The library searches a range of weights no narrower than 0.8 of theirs, and stops early; half is where the best of 4 bits can lie.
SEARCH = {"maxshrink": 0.5, "patience": 100}


def weights(recipe: Mapping[str, Any], *, searched: bool = False) -> Any:
    """Integers of `bits`, a scale for `group_size` inputs of a row, or for the row; activations as they are. A scale covers the
    smallest and the largest weight, or, `searched`, the range with the smallest error (by the 2.4th power)."""
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
            observer="memoryless_mse" if searched else "memoryless_minmax",
            observer_kwargs=SEARCH if searched else {},
        ),
    )


def preset(name: str) -> Any:
    """A scheme that compressed-tensors has a name for: W8A8, FP8_DYNAMIC."""
    from compressed_tensors.quantization import preset_name_to_scheme

    return preset_name_to_scheme(name, TARGETS)
