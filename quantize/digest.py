"""The digest of a model's weights: which bytes a checkpoint was made from, and which it holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

CHUNK = 2**22


def weights(folder: Path) -> str:
    """`sha256:...` over the safetensors files of `folder`, in the order of their names: each name, its length, its contents."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as data:
            while block := data.read(CHUNK):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"
