"""What a quantization method is to the rest of the package. Each method is one file beside this one, with its METHOD."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from quantize.job import Job, Report
    from quantize.recipe import Recipe
    from quantize.source import Source

Environment = Literal["engine", "llm-compressor"]


@dataclass(frozen=True)
class Method:
    """A way to quantize.

    `library` is the distribution that does it, `environment` where that is installed; `checkpoint` is the format written, by
    the name that config.json's `quantization_config.quant_method` carries; `scheme` names the kernel needed (quantize/targets.py).
    `bits` are those it can make, the first its default; `grouped` says whether group_size counts, `calibrated` whether it reads
    a calibration set. `defaults` are recipe keys whose default differs for this method. `run` quantizes (heavy imports inside
    it); `peak` predicts its highest resident memory in bytes, `scratch` what it leaves in the job's scratch folder meanwhile
    (none: nothing). `experts` says whether it quantizes the experts of a mixture of experts.
    """

    name: str
    title: str
    library: str
    environment: Environment
    checkpoint: str
    scheme: str
    bits: tuple[int, ...]
    run: Callable[[Job, Report], None]
    peak: Callable[[Source, Recipe], int]
    grouped: bool = False
    calibrated: bool = False
    control: bool = False  # made for comparison only; left out of `--method all`
    defaults: Mapping[str, Any] = field(default_factory=dict)
    scratch: Callable[[Source, Recipe], int] | None = None
    experts: bool = False
