"""Which architectures the installed libraries know, read from their source: importing them takes seconds, reading them none."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path

from quantize.nearest import nearest

TRANSFORMERS = ("transformers", "models/auto/modeling_auto.py", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")
GPTQMODEL = ("gptqmodel", "models/auto.py", "MODEL_MAP")


def unknown_to_transformers(model_type: str, own_code: bool, site: Path | None = None) -> str:
    """Why transformers cannot build this model, or "" where it can, or where that cannot be told before the work.

    `site` is the site-packages folder to look in; none: this Python's. Every method builds the model with transformers.
    """
    known = keys(*TRANSFORMERS, site)
    if not known or model_type in known:
        return ""
    why = f"transformers does not know the architecture '{model_type}' (model_type in config.json)"
    if own_code:
        return f"{why}, and the Python code that comes with the model is not run here: give a model of an architecture that it knows"
    near = nearest(model_type, known)
    return f"{why}: " + (f"did you mean '{near}'?" if near else "give a model of one that it knows, such as llama or qwen3")


def unknown_to_gptqmodel(model_type: str, site: Path | None = None) -> str:
    """A warning where gptqmodel has no definition of this architecture and looks for its layers by itself, or ""."""
    known = keys(*GPTQMODEL, site)
    if not known or model_type in known:
        return ""
    return f"gptqmodel has no definition of '{model_type}' and finds its layers by itself: look at the check's result"


@cache
def keys(package: str, module: str, variable: str, site: Path | None = None) -> frozenset[str]:
    """The keys of a mapping that a module of an installed package builds: `X = {...}`, `X = OrderedDict([(key, value)])`,
    `X[key] = value`. Empty where the package or the mapping is not found."""
    folder = site / package if site else _folder(package)
    try:
        tree = ast.parse((folder / module).read_text(encoding="utf-8")) if folder else None
    except (OSError, SyntaxError, ValueError):
        tree = None
    found: set[str] = set()
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id == variable:
                found |= _strings(node.value)
            elif isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) and target.value.id == variable:
                found |= _text(target.slice)
    return frozenset(found)


def _strings(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Dict):
        return {key for each in node.keys if each for key in _text(each)}
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.List):
        pairs = (each for each in node.args[0].elts if isinstance(each, ast.Tuple) and each.elts)
        return {key for pair in pairs for key in _text(pair.elts[0])}
    return set()


def _text(node: ast.expr) -> set[str]:
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def _folder(package: str) -> Path | None:
    found = importlib.util.find_spec(package)
    return Path(next(iter(found.submodule_search_locations))) if found and found.submodule_search_locations else None
