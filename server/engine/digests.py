"""What an engine has loaded, as digests: an answer is kept under them, so that another model's is never served.

Weights are read once: a digest is remembered under path, size, time of change and inode of every file. A checkpoint that
`sllm quantize` made carries its own (sllm.json, `weights.digest`), computed in the same way.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from server.engine.checkpoint import WEIGHTS
from server.engine.resolve import Resolved
from server.settings import Model

FILE = "digests.json"  # in the data folder
KEPT = 256  # digests remembered
BLOCK = 2**22  # bytes read between two looks at `stopped`
SMALL = ("*.json", "*.jinja", "*.txt", "*.model", "*/config.json")  # tokenizer, template, generation defaults, pooling
OURS = "sllm.json"  # tells of the checkpoint, and changes with every evaluation

_memo = threading.Lock()


class Stopped(Exception):
    """The engine stops; nobody waits for its digest any more."""


@dataclass(frozen=True)
class Digests:
    """`weights` of the checkpoint; `template` of the chat template and every small file beside it; each adapter's."""

    weights: str
    template: str
    adapters: dict[str, str]


def of(found: Resolved, model: Model, memo: Path, stopped: Callable[[], bool] = lambda: False) -> Digests:
    """Reads all weights, unless they are known: call it in a thread. Raises OSError, Stopped."""
    folder = found.checkpoint.path
    said = found.manifest.weights.digest if found.manifest else ""
    small = {file for pattern in SMALL for file in folder.glob(pattern) if file.name != OURS}
    template = [Path(model.chat_template)] if model.chat_template else []
    return Digests(
        weights=said or digest(weight_files(folder), memo, stopped),
        template=digest([*sorted(small), *template], memo, stopped),
        adapters={name: digest(sorted(f for f in path.iterdir() if f.is_file()), memo, stopped) for name, path in found.adapters.items()},
    )


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights: safetensors where there are any, else the next format."""
    return next((files for pattern in WEIGHTS if (files := sorted(folder.glob(pattern)))), [])


def digest(files: Iterable[Path], memo: Path, stopped: Callable[[], bool] = lambda: False) -> str:
    """`sha256:...` over each file's name, length and contents, in this order. Raises OSError, Stopped."""
    files = list(files)
    known = _key(files)
    if found := _recall(memo).get(known):
        return found
    total = hashlib.sha256()
    for file in files:
        total.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as data:
            while block := data.read(BLOCK):
                if stopped():
                    raise Stopped
                total.update(block)
    if _key(files) != known:
        raise OSError("the files change while they are read")
    found = f"sha256:{total.hexdigest()}"
    _remember(memo, known, found)
    return found


def _key(files: Iterable[Path]) -> str:
    """What changes when a file is replaced or written."""
    facts = [(str(file.resolve()), s.st_size, s.st_mtime_ns, s.st_ino) for file in files for s in [file.stat()]]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _recall(memo: Path) -> dict[str, str]:
    try:
        data = json.loads(memo.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in data.items() if isinstance(v, str)} if isinstance(data, dict) else {}


def _remember(memo: Path, key: str, found: str) -> None:
    """Written aside and renamed; a folder that cannot be written to costs the time of reading again."""
    with _memo, contextlib.suppress(OSError):
        known = {**_recall(memo), key: found}
        aside = memo.with_suffix(f".{os.getpid()}.tmp")
        aside.write_text(json.dumps(dict(list(known.items())[-KEPT:])), encoding="utf-8")
        os.replace(aside, memo)
