"""The recipe: every choice of one quantization, as a frozen model. A flag, its help and its YAML key come from one field."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Recipe(BaseModel):
    """One way to quantize a model. YAML files in configs/quantize/ hold these keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = Field("gptq", description="gptq, awq, bnb-int8, bnb-nf4, int8, int8-dynamic, w8a8, fp8, gptq-ct, awq-ct, or all.")
    bits: Literal[4, 8] | None = Field(None, description="Bits of a weight; none: the method's own (4 for gptq and awq).")
    group_size: int = Field(128, description="Input weights that share a scale; -1: a whole row.")
    symmetric: bool | None = Field(None, description="Quantize around zero; none: the method's own (gptq yes, awq no).")
    damping: float = Field(0.05, gt=0, lt=1, description="GPTQ: share of the Hessian's mean diagonal added to it.")
    desc_act: bool = Field(False, description="GPTQ: columns by falling activation, finer and slower; GPU engines only.")
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
