"""Who answers: an engine for the time of the job (`--model`), or a server that runs (`--url`)."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from server.errors import StartError, UsageError
from server.offline.options import Options
from server.settings import Gateway, Model, Settings
from server.terminal.ask import Get, get
from server.terminal.choose import base_url, choose, with_models

API_KEY = "OPENAI_API_KEY"
PATIENT = 24 * 3600.0  # seconds for an answer of our own engine, which has a watchdog
PATIENT_THERE = 3600.0  # and of somebody else's
LISTED = 5  # names in a message
ALONE = {"scheduler-cls": None}  # the engine has nobody to step aside for


@dataclass(frozen=True)
class Target:
    """`names`: what lines may call `model`; empty: the server does not tell. `default`: for lines that name none.

    `identity`: what of it belongs to the job, so that results of two models do not come into one file.
    """

    settings: Settings
    names: tuple[str, ...]
    default: str | None
    identity: str
    url: str | None = None
    key_variable: str | None = None

    def known(self, model: str, url: str) -> bool:
        return not self.names or model in self.names

    def unknown(self, model: str) -> str:
        """Why a line with this model is not run."""
        shown = ", ".join(f"'{name}'" for name in self.names[:LISTED]) + (", ..." if len(self.names) > LISTED else "")
        if self.url is None:
            return f"The model '{model}' is not run here, only {shown}: change the lines, or give the model that name with --as"
        return f"The model '{model}' is not served at {self.url}, only {shown}"

    def ready(self, lines_name: Iterable[str]) -> Settings:
        """The settings for a job whose lines name these models."""
        if self.url is None:
            return self.settings
        personas = {name: persona.model for name, persona in self.settings.personas.items()}
        asked = dict.fromkeys(personas.get(name, name) for name in lines_name)
        models = [Model(name=name, upstreams=(self.url,), upstream_key=self.key_variable) for name in asked if name]
        return with_models(_guarding(self.settings, {*asked, *personas}), models)


def find(settings: Settings, options: Options, *, ask: Get = get) -> Target:
    """Raises UsageError, StartError."""
    settings = _for_a_job(settings, options)
    if options.url:
        return _at_url(settings, options, options.url, ask)
    if options.model:
        return _engine(settings, options, options.model)
    names = _names(settings) if options.configured else ()
    return Target(settings, names, settings.models[0].name, "")


def _engine(settings: Settings, options: Options, wanted: str) -> Target:
    settings = choose(settings, wanted, {**ALONE, **options.engine_args})
    model = settings.models[0]
    if not model.path:
        raise UsageError(f"model '{model.name}' is served elsewhere: use --url {model.upstreams[0]}")
    if options.serve_as and options.serve_as != model.name:
        settings = _renamed(settings, model, options.serve_as)
        model = settings.models[0]
    return Target(settings, _names(settings), model.name, f"{model.path}@{model.revision or ''}")


def _renamed(settings: Settings, model: Model, name: str) -> Settings:
    personas = {
        key: persona.model_copy(update={"model": name}) if persona.model == model.name else persona
        for key, persona in settings.personas.items()
    }
    guards = tuple(
        guard.model_copy(update={"models": tuple(name if named == model.name else named for named in guard.models)})
        for guard in settings.guards
    )
    changed = settings.model_copy(update={"personas": personas, "guards": guards})
    return with_models(changed, [model.model_copy(update={"name": name})])


def _guarding(settings: Settings, names: set[str]) -> Settings:
    """`settings` without guards for models that no line names."""
    fitting = [guard.model_copy(update={"models": tuple(name for name in guard.models if name in names)}) for guard in settings.guards]
    kept = (new for new, guard in zip(fitting, settings.guards, strict=True) if new.models or not guard.models)
    return settings.model_copy(update={"guards": tuple(kept)})


def _names(settings: Settings) -> tuple[str, ...]:
    return (*(model.name for model in settings.models), *(a for m in settings.models for a in m.adapters), *settings.personas)


def _at_url(settings: Settings, options: Options, url: str, ask: Get) -> Target:
    base = base_url(url)
    variable = options.api_key_env or (API_KEY if os.environ.get(API_KEY) else None)
    if options.api_key_env and not os.environ.get(options.api_key_env):
        raise UsageError(f"--api-key-env names the variable {options.api_key_env}, which is not set: export it")
    served = _served(base, variable, ask)
    names = (*served, *(name for name, persona in settings.personas.items() if persona.model in served)) if served else ()
    default = options.model or (served[0] if len(served) == 1 else None)
    if options.model and names and options.model not in names:
        raise UsageError(f"there is no model '{options.model}' at {base}: it serves {', '.join(names[:20])}")
    return Target(settings, names, default, "", base, variable)


def _served(base: str, variable: str | None, ask: Get) -> tuple[str, ...]:
    """What the server says it serves; nothing where it has no such list."""
    try:
        status, body = ask(base, "/v1/models", timeout=10.0, key=os.environ.get(variable, "") if variable else None)
    except OSError as error:
        raise StartError(f"nothing answers at {base} ({error.strerror or error}): start the server, or check the address") from None
    if status in (401, 403):
        what = f"does not take the key in {variable}: check it" if variable else f"wants a key: export {API_KEY}"
        raise StartError(f"{base} {what}, or name another variable with --api-key-env NAME")
    try:
        return tuple(dict.fromkeys(str(card["id"]) for card in body["data"]))
    except (KeyError, TypeError):
        return ()


def _for_a_job(settings: Settings, options: Options) -> Settings:
    """No request log, one process, patience; and what the flags say."""
    first_byte = max(settings.gateway.timeouts.first_byte, PATIENT_THERE if options.url else PATIENT)
    timeouts = settings.gateway.timeouts.model_copy(update={"first_byte": first_byte, "between_bytes": first_byte})
    gateway: Gateway = settings.gateway.model_copy(update={"access_log": False, "workers": 1, "timeouts": timeouts})
    batch = settings.batch
    if options.retries is not None:
        batch = batch.model_copy(update={"retries": options.retries})
    if options.concurrency is not None:
        batch = batch.model_copy(update={"concurrency": options.concurrency})
    cache = settings.cache if options.cache else settings.cache.model_copy(update={"store": "off"})
    return settings.model_copy(update={"gateway": gateway, "batch": batch, "cache": cache})
