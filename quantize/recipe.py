"""The recipe: every choice of one quantization, as a frozen model. A flag, its help and its YAML key come from one field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from quantize.errors import UsageError
from quantize.nearest import did_you_mean

if TYPE_CHECKING:
    from quantize.methods.method import Method

ALL = "all"


class Recipe(BaseModel):
    """One way to quantize a model. YAML files in configs/quantize/ hold these keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = Field("gptq", description="gptq, awq, bnb-int8, bnb-nf4, int8, int8-dynamic, w8a8, fp8, gptq-ct, awq-ct, or all.")
    bits: Literal[4, 8] | None = Field(None, description="Bits of a weight; none: the method's own (4 for gptq and awq).")
    group_size: int = Field(128, description="Input weights that share a scale; -1: a whole row.")
    symmetric: bool | None = Field(None, description="Quantize around zero; none: the method's own (gptq yes, awq no).")
    damping: float = Field(0.05, gt=0, lt=1, description="GPTQ: share of the Hessian's mean diagonal added to it.")
    desc_act: bool = Field(True, description="gptq: columns by falling activation, within groups that stay as they are.")
    double_quant: bool = Field(False, description="bnb-nf4: quantize the scales as well.")
    smoothing: float = Field(0.8, ge=0, le=1, description="w8a8: SmoothQuant's strength, activations (0) to weights (1).")
    ignore: tuple[str, ...] = Field(("lm_head",), description="Layers kept as they are: names or re:REGEX.")
    calibration: str = Field("bundled", description="bundled, a file (JSONL of chats or texts, plain text), or a hub data set.")
    samples: int = Field(256, ge=1, description="Calibration samples.")
    sequence_length: int = Field(512, ge=16, description="Longest calibration sample, tokens.")
    seed: int = Field(0, ge=0, description="Draws the samples; same seed and inputs, same bytes.")
    target: Literal["auto", "cuda", "cpu"] = Field("auto", description="Engine that will serve it; auto: this machine's.")
    shard_size: int = Field(5 * 10**9, ge=10**6, description="Largest weight file, bytes.")
    max_logprob_difference: float = Field(0.5, gt=0, description="Check: highest mean absolute logprob difference to the baseline.")
    min_agreement: float = Field(0.7, ge=0, le=1, description="Check: lowest share of positions with the baseline's first token.")


def load(file: Path | None, overrides: Mapping[str, Any], methods: Mapping[str, Method] | None = None) -> Recipe:
    """The recipe in `file` with `overrides` (flags; None: not given) over it and the method's own defaults under both.

    `model_fields_set` holds what the user said, in the file or by a flag. Raises UsageError naming file, line and key.
    """
    from quantize import recipefile

    said = recipefile.read(file) if file else {}
    flags = {key: value for key, value in overrides.items() if value is not None}
    method = flags.get("method", said.get("method", Recipe.model_fields["method"].default))
    defaults = _defaults(method, registry(methods), "--method" if "method" in flags else recipefile.place(file, "method"))
    for data, where in ((said, file), (flags, None)):
        recipefile.validate(data, where, Recipe)
    return _construct({**said, **flags}, defaults)


def for_method(recipe: Recipe, method: Method, unread: Iterable[str] = ()) -> Recipe:
    """What the user said in `recipe`, but for the keys `unread`, for another method: with that one's defaults under it."""
    return _construct({**_said(recipe, unread), "method": method.name}, method.defaults)


def with_values(recipe: Recipe, **values: Any) -> Recipe:
    """`recipe` with `values` filled in, without counting them as said by the user."""
    return Recipe.model_construct(_fields_set=set(recipe.model_fields_set), **{**dict(recipe), **values})


def _said(recipe: Recipe, unread: Iterable[str]) -> dict[str, Any]:
    return {key: getattr(recipe, key) for key in recipe.model_fields_set - set(unread)}


def _construct(said: Mapping[str, Any], defaults: Mapping[str, Any]) -> Recipe:
    whole = Recipe.model_validate({**defaults, **said})
    return Recipe.model_construct(_fields_set=set(said), **dict(whole))


def registry(methods: Mapping[str, Method] | None) -> Mapping[str, Method]:
    if methods is None:
        from quantize.methods import METHODS

        return METHODS
    return methods


def _defaults(method: object, methods: Mapping[str, Method], where: str) -> Mapping[str, Any]:
    if method == ALL:
        return {}
    if not isinstance(method, str) or method not in methods:
        raise UsageError(f"{where}: no method '{method}': {did_you_mean(str(method), [*methods, ALL])}")
    return methods[method].defaults
