"""Which models are served: the configuration's, the one named on the command line, or those of running servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from server.errors import ModelNotFound, UsageError
from server.nearest import did_you_mean
from server.settings import Model, Settings, parse


def choose(settings: Settings, model: str | None, engine_args: Mapping[str, Any]) -> Settings:
    """`settings` with only `model` (a name in them, a folder or a hub id) and the engine's flags added to it.

    Raises ModelNotFound; UsageError for engine flags beside several models.
    """
    models = (_pick(settings.models, model),) if model else settings.models
    if engine_args:
        if len(models) > 1:
            names = ", ".join(m.name for m in models)
            raise UsageError(f"engine flags after -- need one model, and there are {len(models)} ({names}): use `engine_args:` in the file")
        models = (models[0].model_copy(update={"engine_args": {**models[0].engine_args, **engine_args}}),)
    return with_models(settings, models)


def checkpoint(settings: Settings, model: str | None) -> Model:
    """The one model that `model` means, whose weights are at hand. Raises ModelNotFound; UsageError without a name beside several."""
    if model is None and len(settings.models) > 1:
        raise UsageError(f"the configuration has {len(settings.models)} models: name one of {', '.join(m.name for m in settings.models)}")
    chosen = _pick(settings.models, model) if model else settings.models[0]
    if not chosen.path:
        raise UsageError(f"model '{chosen.name}' is served elsewhere ({chosen.upstreams[0]}): name a folder or a hub id")
    return chosen


def with_models(settings: Settings, models: Sequence[Model]) -> Settings:
    """`settings` serving `models`; personas of other models are left out. Raises ConfigError where two names clash."""
    callable_names = {m.name for m in models} | {a for m in models for a in m.adapters}
    personas = {name: p for name, p in settings.personas.items() if p.model in callable_names}
    return parse({**dict(settings), "models": tuple(models), "personas": personas}, where="the command line")


def _pick(models: Sequence[Model], wanted: str) -> Model:
    """The configured model of that name, else a folder under its own name, else a hub id under the id (as vLLM does)."""
    named = next((m for m in models if m.name == wanted), None)
    if named:
        return named
    folder = Path(wanted).expanduser()
    if folder.is_dir():
        folder = folder.resolve()
        return Model(name=folder.name, path=str(folder))
    if _is_hub_id(wanted):
        return Model(name=wanted, path=wanted)
    if folder.is_file():
        raise ModelNotFound(_a_file(folder))
    names = [m.name for m in models]
    raise ModelNotFound(
        f"no model '{wanted}': it is not a folder, not a hub id such as Qwen/Qwen3-0.6B, "
        f"and not a model of the configuration: {did_you_mean(wanted, names)}"
    )


def _a_file(file: Path) -> str:
    with file.open("rb") as stream:
        gguf = stream.read(4) == b"GGUF" or file.suffix == ".gguf"
    if gguf:
        return f"{file} is a GGUF file, for llama.cpp: give the folder or hub id of the original model (its card names it as base_model)"
    return f"{file} is a file, not a model: give the folder that holds config.json and *.safetensors"


def _is_hub_id(text: str) -> bool:
    """`org/name`, and nothing that a person would mean as a path."""
    organisation, slash, name = text.partition("/")
    return (
        bool(slash and organisation and name) and "/" not in name and text[0] not in "./~" and not text.endswith((".gguf", ".safetensors"))
    )


def upstream_models(urls: Sequence[str], name: str | None, ask: Callable[[str], list[str]]) -> tuple[Model, ...]:
    """Models over running servers: all `urls` as replicas of `name`, or of whatever names `ask(url)` gives for each.

    Raises StartError (from `ask`) when a server does not say what it serves.
    """
    bases = [base_url(url) for url in urls]
    if name:
        return (Model(name=name, upstreams=tuple(dict.fromkeys(bases))),)
    replicas: dict[str, dict[str, None]] = {}
    for base in bases:
        for served in ask(base):
            replicas.setdefault(served, {})[base] = None
    return tuple(Model(name=served, upstreams=tuple(where)) for served, where in replicas.items())


def base_url(url: str) -> str:
    """`url` without a trailing slash or /v1. Raises UsageError when it is not an address."""
    if url.startswith("unix:"):
        return url
    if "://" not in url:
        url = f"http://{url}"
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https") or not rest.strip("/"):
        raise UsageError(f"'{url}' is not the address of a server: write http://host:port or unix:/path.sock")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
