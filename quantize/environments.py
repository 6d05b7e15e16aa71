"""Which Python runs a method, and whether what the method needs is installed there. Nothing heavy is imported to find out.

Most methods run in the engine's own environment. llm-compressor cannot: it wants another compressed-tensors than vLLM does.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from quantize.errors import MissingLibrary

if TYPE_CHECKING:
    from quantize.methods.method import Environment, Method

ROOT = Path(__file__).resolve().parent.parent
VARIABLE = "SLLM_LLM_COMPRESSOR"
INSTALL = "make install-quantize"
# what each library's way through transformers needs beside it
BESIDE = ("torch", "transformers", "accelerate")


def python(environment: Environment, root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> Path:
    """The Python of an environment: this one, or llm-compressor's under `root`, or the one that SLLM_LLM_COMPRESSOR names.

    Raises MissingLibrary where there is none."""
    if environment == "engine":
        return Path(sys.executable)
    named = environ.get(VARIABLE)
    if named:
        found = Path(named).expanduser()
        if found.is_file() and os.access(found, os.X_OK):
            return found.absolute()  # not resolved: a virtual environment is known by the path of its link
        raise MissingLibrary(
            f"{VARIABLE} is '{named}', which is no program: give it the path of a Python that has llm-compressor, or unset it"
        )
    folder = root / ".tools" / "llm-compressor"
    found = folder / "bin" / "python"
    if found.is_file() and any(folder.glob("lib/python*/site-packages/llmcompressor/__init__.py")):
        return found
    raise MissingLibrary(f"llm-compressor is not installed: {INSTALL}")


def require(method: Method, root: Path = ROOT, environ: Mapping[str, str] = os.environ) -> None:
    """Raises MissingLibrary, saying what to type, where the environment of `method` or a library that it needs is missing."""
    python(method.environment, root, environ)
    if method.environment == "engine":
        missing = [name for name in (method.library, *BESIDE) if importlib.util.find_spec(name) is None]
        if missing:
            raise MissingLibrary(f"{method.name} needs {' and '.join(missing)}, which {_is(missing)} not installed: {INSTALL}")


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
