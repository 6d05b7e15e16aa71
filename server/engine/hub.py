"""The Hugging Face hub: a model id to a local folder, and every refusal in one sentence that says what to do.

    python -m server.engine.hub ID [REVISION]

prints JSON lines: {"detail": ...} while it downloads, then {"path": ...} or {"error": CLASS, "message": ...}. A progress
bar goes to stderr. HF_HUB_OFFLINE, HF_HOME, HF_TOKEN and HF_ENDPOINT count as everywhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, cast

from server.errors import DiskFull, ModelGated, ModelNotFound, StartError

PR_SET_PDEATHSIG = 1
SMALL = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.py", "*.md")
# The same weights in another form, or for another program.
OTHERS = ("original/*", "onnx/*", "openvino/*", "coreml/*", "*.gguf", "*.h5", "*.msgpack", "*.onnx", "*.ot", "*.tflite", "flax_*", "tf_*")
WEIGHTS = ("*.safetensors", "*.bin", "*.pt")


def patterns(files: Iterable[str]) -> tuple[list[str], list[str]]:
    """The allow and ignore patterns for a repository that holds `files`: one form of the weights, safetensors first."""
    top = [name for name in files if "/" not in name]
    weights = next((p for p in WEIGHTS if any(name.endswith(p[1:]) for name in top)), WEIGHTS[0])
    ignore = list(OTHERS)
    if any(name.startswith("model") and name.endswith(".safetensors") for name in top):
        ignore.append("consolidated*")
    return [*SMALL, weights], ignore


def resolve(model_id: str, revision: str | None = None, report: Callable[[str], None] = lambda _: None) -> Path:
    """The local folder of `model_id`, downloaded where the cache lacks it. Raises ModelGated, ModelNotFound, DiskFull, StartError."""
    from huggingface_hub import HfApi, constants, snapshot_download

    if constants.HF_HUB_OFFLINE:
        return _from_cache(model_id, revision, f"'{model_id}' is not in the cache and HF_HUB_OFFLINE is set")
    try:
        info = HfApi().model_info(model_id, revision=revision, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        allow, ignore = patterns(sizes)
        wanted = _wanted(sizes, allow, ignore)
        folder = Path(constants.HF_HUB_CACHE)
        missing = _missing(model_id, info.sha, wanted)
        _check_disk(folder, missing, model_id)
        progress = _Progress(missing, report)
        path = snapshot_download(model_id, revision=revision, allow_patterns=allow, ignore_patterns=ignore, tqdm_class=progress.bar_class())
        return Path(path)
    except Exception as error:
        raised = sentence(error, model_id, revision)
        if isinstance(raised, _Unreachable):
            return _from_cache(model_id, revision, raised.message)
        raise raised from error


class _Unreachable(StartError):
    pass


def sentence(error: Exception, model_id: str, revision: str | None = None) -> StartError:
    """What the hub's refusal means and what to do about it."""
    from huggingface_hub import errors

    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, StartError):
        return error
    if isinstance(error, errors.GatedRepoError) or status == 403:
        return ModelGated(
            f"'{model_id}' is gated: accept its licence at {endpoint}/{model_id}, then `hf auth login` or set HF_TOKEN, and start again"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelNotFound(f"'{model_id}' has no revision '{revision}': check `revision`, or leave it out for the main branch")
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
        return ModelNotFound(
            f"no folder and no hub model called '{model_id}': check the name; a private model needs `hf auth login` or HF_TOKEN"
        )
    if isinstance(error, errors.HFValidationError):
        return ModelNotFound(f"'{model_id}' is neither a folder nor a hub id (owner/name): check the name")
    if isinstance(error, OSError) and error.errno == 28:
        return DiskFull(f"the disk filled up while '{model_id}' was downloaded: free space, or set HF_HOME to a larger disk")
    if isinstance(error, (OSError, errors.HfHubHTTPError)) or type(error).__module__.startswith(("httpx", "httpcore", "requests")):
        return _Unreachable(f"{endpoint} cannot be reached ({_short(error)}) and '{model_id}' is not in the cache")
    return StartError(f"'{model_id}' could not be downloaded ({_short(error)}): try `hf download {model_id}`, then start again")


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__


def _from_cache(model_id: str, revision: str | None, why: str) -> Path:
    """The folder in the cache, without the network. Raises ModelNotFound: `why`, and the ways around."""
    from huggingface_hub import snapshot_download

    with contextlib.suppress(Exception):
        # Newer hub libraries check that what the patterns name is whole; other weights lie beside and need no mention.
        allow, ignore = patterns(["model.safetensors"])
        path = Path(snapshot_download(model_id, revision=revision, local_files_only=True, allow_patterns=allow, ignore_patterns=ignore))
        if any((path / name).is_file() for name in ("config.json", "adapter_config.json")):
            return path
    raise ModelNotFound(
        f"{why}: copy the model's folder here and give its path, set HF_ENDPOINT to a mirror, "
        f"or download it first with `hf download {model_id}`"
    )


def _wanted(sizes: dict[str, int], allow: list[str], ignore: list[str]) -> dict[str, int]:
    def matches(name: str, these: list[str]) -> bool:
        return any(fnmatch(name, pattern) for pattern in these)

    return {name: size for name, size in sizes.items() if matches(name, allow) and not matches(name, ignore)}


def _missing(model_id: str, commit: str | None, wanted: dict[str, int]) -> int:
    """Bytes that the cache does not hold yet."""
    from huggingface_hub import try_to_load_from_cache

    cached = {name for name in wanted if isinstance(try_to_load_from_cache(model_id, name, revision=commit), str)}
    return sum(size for name, size in wanted.items() if name not in cached)


def _check_disk(folder: Path, need: int, model_id: str) -> None:
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    if free < need:
        raise DiskFull(
            f"'{model_id}' needs {need / 1e9:.1f} GB and {there} has {free / 1e9:.1f} GB free: free space, or set HF_HOME to a larger disk"
        )


class _Progress:
    """Reports how much of `total` bytes has come as a percentage, at most twice a second."""

    def __init__(self, total: int, report: Callable[[str], None]):
        self.total, self.report = total, report
        self.said, self.lock = 0.0, threading.Lock()

    def tell(self, done: float) -> None:
        with self.lock:
            if self.total and time.monotonic() - self.said >= 0.5:
                self.said = time.monotonic()
                self.report(f"downloading {min(100, int(100 * done / self.total))}% of {self.total / 1e9:.2f} GB")

    def bar_class(self) -> Any:
        """The hub library's progress bar, which tells us as well. It shows bytes received and bytes written as two bars."""
        from huggingface_hub.utils.tqdm import tqdm

        progress, base = self, cast(Any, tqdm)

        def init(bar: Any, *args: Any, **options: Any) -> None:
            bar.bytes = 0.0 if options.get("unit") == "B" else None  # a bar that is not shown keeps no count
            base.__init__(bar, *args, **options)

        def update(bar: Any, n: float | None = 1) -> Any:
            if bar.bytes is not None:
                bar.bytes += n or 0
                progress.tell(bar.bytes)
            return base.update(bar, n)

        return type("Bar", (base,), {"__init__": init, "update": update})


def main(argv: list[str]) -> int:
    if sys.platform == "linux":  # a download must not outlive who asked for it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def say(**line: str) -> None:
        print(json.dumps(line), flush=True)

    try:
        say(path=str(resolve(argv[0], argv[1] if len(argv) > 1 else None, lambda detail: say(detail=detail))))
    except StartError as error:
        kind = type(error) if not type(error).__name__.startswith("_") else StartError
        say(error=kind.__name__, message=error.message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
