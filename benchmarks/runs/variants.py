"""Which ways of speculating can be tried with a model: seen in its folder, its config.json and the installed packages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchUsageError

METHODS = ("ngram", "draft_model", "suffix", "eagle3", "mtp")
# How checkpoints say that they bring layers for multi-token prediction.
MTP_KEYS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_layers", "num_mtp_modules", "mtp_num_layers")


@dataclass(frozen=True)
class Variant:
    """One engine to start. `method` "" is no speculation. `model`: the draft, or the eagle3 head. `again`: none, the second time."""

    method: str = ""
    tokens: int = 0
    model: str | None = None
    again: bool = False

    @property
    def name(self) -> str:
        """`draft_model 4`; also the name of its file."""
        return f"{self.method} {self.tokens}" if self.method else ("none, at the end" if self.again else "none")

    @property
    def block(self) -> dict[str, Any] | None:
        """The `speculative:` block of the configuration; None without speculation."""
        if not self.method:
            return None
        return {"method": self.method, **({"model": self.model} if self.model else {}), "tokens": self.tokens}


@dataclass(frozen=True)
class Candidates:
    """What can be tried, and for each method that cannot, why."""

    variants: tuple[Variant, ...]
    left_out: dict[str, str]


def candidates(
    folder: Path | None,
    tokens: Sequence[int],
    *,
    draft: str | None = None,
    eagle3: str | None = None,
    methods: Sequence[str] | None = None,
    suffix_installed: bool | None = None,
) -> Candidates:
    """Every method at every token count, none before and after. `folder`: the model's; None: it lies on the hub.

    `draft`, `eagle3`: folder or hub id. `methods`: only these, and what they lack is then an error. Raises BenchUsageError.
    """
    unknown = [method for method in methods or () if method not in METHODS]
    if unknown:
        raise BenchUsageError(f"--method {unknown[0]}: choose among {', '.join(METHODS)}")
    if draft is None and folder is not None and (folder / "draft/config.json").is_file():
        draft = str(folder / "draft")
    for flag, head in (("--draft", draft), ("--eagle3", eagle3)):
        if head and not Path(head).expanduser().is_dir() and (head[0] in "./~" or head.count("/") != 1):
            raise BenchUsageError(f"{flag} {head}: no such folder; give the folder of the model, or its hub id such as org/name")
    missing = {}
    if draft is None:
        missing["draft_model"] = "the model has no folder `draft`; --draft names a smaller model with the same vocabulary"
    if not (find_spec("arctic_inference") is not None if suffix_installed is None else suffix_installed):
        missing["suffix"] = "the package is not installed: pip install arctic-inference"
    if eagle3 is None:
        missing["eagle3"] = "no head was named: --eagle3 names one that was trained for this model"
    if not mtp_layers(folder):
        missing["mtp"] = "config.json names no layers for multi-token prediction"
    for method in methods or ():
        if method in missing:
            raise BenchUsageError(f"--method {method}: {missing[method]}")
    models = {"draft_model": draft, "eagle3": eagle3}
    tried = [method for method in METHODS if method in (methods or METHODS) and method not in missing]
    made = [Variant(method, count, models.get(method)) for method in tried for count in tokens]
    return Candidates((Variant(), *made, Variant(again=True)), {m: why for m, why in missing.items() if m in (methods or METHODS)})


def mtp_layers(folder: Path | None) -> int:
    """Layers for multi-token prediction that config.json names; 0 without, or where there is no folder to look into."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8")) if folder else {}
    except (OSError, ValueError):
        return 0
    for part in (config, config.get("text_config") if isinstance(config, dict) else None):
        if isinstance(part, dict):
            for key in MTP_KEYS:
                if isinstance(part.get(key), int) and part[key] > 0:
                    return int(part[key])
    return 0
