"""vLLM's plugin for bitsandbytes: needed from 0.28 on, and in the way before.

Up to 0.27.1 bitsandbytes is built in, and the plugin, which registers the same name again, breaks every start (vLLM issue 52802).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from importlib import metadata

from server.engine.checkpoint import Checkpoint
from server.errors import StartError

BITSANDBYTES = "vllm-bnb-plugin"
OUTSIDE_SINCE = (0, 28)


def needed(quantization: str, vllm: str) -> str:
    """The distribution without which vLLM of version `vllm` cannot read this quantization, or ""."""
    return BITSANDBYTES if quantization == "bitsandbytes" and _numbers(vllm) >= OUTSIDE_SINCE else ""


def _numbers(vllm: str) -> tuple[int, ...]:
    """(0, 32) of 0.32.0+cpu; () where the version is not known."""
    return tuple(int(part) for part in re.findall(r"\d+", vllm)[:2])


def check(checkpoint: Checkpoint, vllm: str, installed: Callable[[str], object] = metadata.version) -> None:
    """Raises StartError where the checkpoint's quantization needs a plugin of vLLM that is not installed."""
    if plugin := needed(checkpoint.quantization, vllm):
        try:
            for distribution in (plugin, checkpoint.quantization):
                installed(distribution)
        except metadata.PackageNotFoundError:
            raise StartError(
                f"{checkpoint.path} is quantized with {checkpoint.quantization}, which vLLM {vllm} reads with a plugin: "
                f"run `make install`, or `pip install --no-deps {plugin} {checkpoint.quantization}`"
            ) from None


def found() -> list[tuple[str, str]]:
    """Every installed plugin of vLLM: its name and the distribution that brings it."""
    groups = metadata.entry_points()
    return [
        (point.name, point.dist.name if point.dist else "")
        for group in groups.groups
        if group.startswith("vllm.") and group.endswith("_plugins")
        for point in groups.select(group=group)
    ]


def environment(vllm: str, installed: Iterable[tuple[str, str]]) -> dict[str, str]:
    """VLLM_PLUGINS, vLLM's list of the plugins it may load, without the one that this version must not; {} where all may."""
    plugins = list(installed)
    wanted = [name for name, distribution in plugins if distribution != BITSANDBYTES]
    inside = () < _numbers(vllm) < OUTSIDE_SINCE
    return {"VLLM_PLUGINS": ",".join(wanted)} if inside and len(wanted) < len(plugins) else {}
