"""What the predictions of peak memory are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantize.source import LAYER

if TYPE_CHECKING:
    from quantize.recipe import Recipe
    from quantize.source import Linear, Source

MIB = 2**20
BUNDLED = 132  # tokens of a bundled sample, the mean with the demo model's 2,048 words; larger vocabularies need fewer


def largest_layer(source: Source) -> list[Linear]:
    """The linear layers of the largest decoder layer."""
    layers: dict[str, list[Linear]] = {}
    for linear in source.linears:
        inside = LAYER.match(linear.name)
        layers.setdefault(inside[1] if inside else "", []).append(linear)
    return max(layers.values(), key=lambda layer: sum(linear.bytes for linear in layer))


def ends(source: Source) -> int:
    """Bytes of the embedding while it is used (620 MiB were measured with one of 98 MiB, on a model that takes little else)."""
    return int(2.4 * source.vocabulary * source.hidden_size)


def tokens(recipe: Recipe) -> int:
    """How many tokens the calibration set has, about."""
    length = min(BUNDLED, recipe.sequence_length) if recipe.calibration == "bundled" else recipe.sequence_length
    return recipe.samples * length
