"""Cards by name and their memory in MiB, as nvidia-smi reports it (the makers' round numbers are a little higher)."""

from __future__ import annotations

import re

from server.errors import UsageError
from server.nearest import did_you_mean

MIB = 2**20

GPUS: dict[str, int] = {
    "t4": 15360,
    "rtx3060": 12288,
    "rtx3090": 24576,
    "rtx4060ti": 16380,
    "rtx4080": 16376,
    "rtx4090": 24564,
    "rtx5080": 16303,
    "rtx5090": 32607,
    "rtxa4000": 16376,
    "rtxa5000": 24564,
    "rtxa6000": 49140,
    "rtx6000ada": 49140,
    "rtxpro6000": 97887,
    "a10": 23028,
    "a10g": 23028,
    "a16": 15356,
    "a30": 24576,
    "a40": 46068,
    "a100-40gb": 40960,
    "a100-80gb": 81920,
    "l4": 23034,
    "l40": 46068,
    "l40s": 46068,
    "v100-16gb": 16384,
    "v100-32gb": 32768,
    "h100": 81559,
    "h100-nvl": 95830,
    "h20": 97871,
    "gh200": 97871,
    "h200": 143771,
    "b200": 183359,
}
ALIASES = {"a100": "a100-80gb", "v100": "v100-16gb", "a6000": "rtxa6000", "a5000": "rtxa5000", "a4000": "rtxa4000"}
OFFERED = ("l4", "rtx4090", "rtx5090", "a100-40gb", "l40s", "h100", "rtxpro6000", "h200", "b200")  # as a bigger card


def memory(name: str) -> int:
    """Bytes of the card called `name`: h200, H200, "RTX 4090", nvidia-l4. Raises UsageError with the name that was meant."""
    wanted = re.sub(r"[\s_]+|^nvidia-|^geforce|^tesla", "", name.lower().replace("nvidia ", "nvidia-")).removeprefix("nvidia-")
    plain = wanted.replace("-", "")
    for known in (*GPUS, *ALIASES):
        if plain in (known.replace("-", ""), known.removeprefix("rtx")):
            return GPUS[ALIASES.get(known, known)] * MIB
    raise UsageError(f"no GPU called '{name}': {did_you_mean(wanted, GPUS)}; or give its memory, such as --vram 24GiB")


def bigger(need: float) -> list[str]:
    """Cards of OFFERED with at least `need` bytes, the smallest first."""
    return sorted((name for name in OFFERED if GPUS[name] * MIB >= need), key=GPUS.__getitem__)
