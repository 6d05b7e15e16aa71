"""The configuration: one YAML file, SLLM_* variables over it, flags over both.

Each key is one field here, with its default and its help; the command line takes both from it.
Every object is frozen. An unknown key is an error that names the nearest key.
"""

from __future__ import annotations

import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from server.errors import ConfigError
from server.units import Duration, Size

ROOT = Path(__file__).resolve().parent.parent
DEMO_MODEL = "models/demo"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())


class Speculative(Section):
    """Speculative decoding (vLLM's --speculative-config)."""

    method: Literal["ngram", "draft_model", "suffix", "eagle", "eagle3", "mtp"] = Field(description="How tokens are proposed.")
    model: str | None = Field(None, description="Draft model: folder or hub id (draft_model, eagle, eagle3).")
    tokens: int = Field(4, ge=1, le=64, description="Tokens proposed a step.")
    engine_args: dict[str, Any] = Field({}, description="Other keys of vLLM's speculative config, by their own name.")

    @model_validator(mode="after")
    def _draft_is_named(self) -> Speculative:
        if self.method in ("draft_model", "eagle", "eagle3") and not self.model:
            raise ValueError(f"speculative method '{self.method}' needs a model: add `model: FOLDER`")
        return self


class Model(Section):
    """One served model: an engine of ours (`path`) or servers that somebody else runs (`upstreams`)."""

    name: str = Field(min_length=1, description="What clients send as `model`.")
    path: str | None = Field(None, description="Folder or Hugging Face id.")
    revision: str | None = Field(None, description="Branch, tag or commit on the hub.")
    upstreams: tuple[str, ...] = Field((), description="Base URLs of OpenAI-compatible servers: http://host:port or unix:/path.sock.")
    task: Literal["auto", "generate", "embed", "score"] = Field("auto", description="What the model is for; auto reads the checkpoint.")
    quantization: str = Field("auto", description="auto reads the checkpoint; else vLLM's own name.")
    dtype: str = Field("auto", description="Weights' type: auto, bfloat16, float16, float32.")
    max_model_len: int | Literal["auto"] = Field("auto", description="Longest context in tokens; auto takes what fits.")
    gpu_memory_utilization: float | Literal["auto"] = Field(
        "auto", description="Share of the GPU for this engine; auto divides 0.92 among the engines."
    )
    kv_cache_memory: Size | Literal["auto"] = Field(
        "auto", description="Memory of the KV cache, e.g. 4GiB; auto: what is left on a GPU, 1GiB or less on a CPU."
    )
    speculative: Speculative | None = Field(None, description="Speculative decoding.")
    adapters: dict[str, str] = Field({}, description="LoRA adapters: name -> folder or hub id; callable as a model.")
    tool_parser: str = Field("auto", description="Tool call parser: auto, none, or vLLM's own name.")
    reasoning_parser: str = Field("auto", description="Reasoning parser: auto, none, or vLLM's own name.")
    chat_template: str | None = Field(None, description="File with a chat template that replaces the model's own.")
    engine_args: dict[str, Any] = Field({}, description="Any other flag of vLLM's, by its own name.")

    @model_validator(mode="after")
    def _one_source(self) -> Model:
        if bool(self.path) == bool(self.upstreams):
            raise ValueError(f"model '{self.name}' needs either `path` or `upstreams`, one of the two")
        return self


class Persona(Section):
    """A system prompt and sampling defaults, callable as a model."""

    model: str = Field(description="The model (or adapter) that answers.")
    system: str | None = Field(None, description="System prompt, before the client's own.")
    temperature: float | None = Field(None, ge=0, le=2, description="Default when the request has none.")
    top_p: float | None = Field(None, gt=0, le=1, description="Default when the request has none.")
    top_k: int | None = Field(None, ge=-1, description="Default when the request has none.")
    max_tokens: int | None = Field(None, ge=1, description="Default when the request has none.")
    seed: int | None = Field(None, description="Default when the request has none.")
    stop: tuple[str, ...] | None = Field(None, description="Default when the request has none.")


class Timeouts(Section):
    connect: Duration = Field(5.0, description="To open a connection to the engine.")
    first_byte: Duration = Field(600.0, description="From the request sent to the answer's first byte.")
    between_bytes: Duration = Field(120.0, description="Silence allowed inside an answer.")
    header: Duration = Field(10.0, description="For a client to send its request line and headers.")
    body: Duration = Field(60.0, description="Silence allowed while a client sends its body.")
    keep_alive: Duration = Field(75.0, description="An idle client connection is kept this long.")


class Watchdog(Section):
    interval: Duration = Field(2.0, description="Between two looks at an engine.")
    probe_after: Duration = Field(10.0, description="Without progress for this long, one token is asked for.")
    stalled_after: Duration = Field(30.0, description="An engine that makes no progress for this long is restarted.")
    start_timeout: Duration = Field(1800.0, description="An engine that is not ready after this long is restarted.")


class Restart(Section):
    first: Duration = Field(1.0, description="Wait before the first restart; doubles up to max.")
    max: Duration = Field(60.0, description="Longest wait between two restarts.")
    attempts: int = Field(5, ge=0, description="Failed starts in a row before an engine is given up; 0: never restart.")


class Gateway(Section):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=256, description="Gateway processes.")
    data_dir: Path = Field(Path("~/.local/share/sllm"), description="Where everything that lasts is kept.")
    drain_timeout: Duration = Field(30.0, description="How long running requests may finish after SIGTERM.")
    max_body: Size = Field(48 * 2**20, description="Largest request body (32 MiB of image is 43 MiB as a data URL).")
    max_headers: Size = Field(64 * 2**10, description="Largest request line and headers together.")
    access_log: bool = Field(True, description="One structured line a request on stderr.")
    timeouts: Timeouts = Timeouts()

    @field_validator("data_dir")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser()


class Upstreams(Section):
    """How requests are spread over the upstreams of a model."""

    eject_after: int = Field(3, ge=1, description="Failures in a row before an upstream is left out.")
    eject_for: Duration = Field(10.0, description="How long it is left out before it is tried again.")
    retries: int = Field(2, ge=0, description="Other upstreams tried while no byte was sent to the client.")


class Settings(Section):
    """The whole configuration; the empty file serves the demo model."""

    models: tuple[Model, ...] = Field((), description="Served models; none: the demo model as `demo`.")
    personas: dict[str, Persona] = Field({}, description="System prompt and sampling defaults, callable as a model.")
    engine: Literal["auto", "cuda", "cpu"] = Field(
        "auto", description="Which engine build runs; auto: CUDA where an NVIDIA driver answers."
    )
    gateway: Gateway = Gateway()
    upstreams: Upstreams = Upstreams()
    watchdog: Watchdog = Watchdog()
    restart: Restart = Restart()

    @model_validator(mode="before")
    @classmethod
    def _demo_when_empty(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and not data.get("models"):
            return {**data, "models": [demo_model()]}
        return data

    @model_validator(mode="after")
    def _names_are_unique(self) -> Settings:
        seen: dict[str, str] = {}
        targets = {m.name for m in self.models} | {a for m in self.models for a in m.adapters}
        named = [(m.name, "a model") for m in self.models]
        named += [(a, f"an adapter of '{m.name}'") for m in self.models for a in m.adapters]
        named += [(p, "a persona") for p in self.personas]
        for name, what in named:
            if name in seen:
                raise ValueError(f"the name '{name}' is {seen[name]} and {what}: rename one")
            seen[name] = what
        for name, persona in self.personas.items():
            if persona.model not in targets:
                raise ValueError(f"persona '{name}' stands on '{persona.model}', which is not a model: one of {', '.join(sorted(targets))}")
        return self


def demo_model() -> dict[str, Any]:
    """The model that an empty configuration serves."""
    return {"name": "demo", "path": str(ROOT / DEMO_MODEL)}


def load(path: str | Path | None = None, overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the file at `path` (YAML), SLLM_* variables, and `overrides` (nested dict), later ones win.

    A variable names its key with double underscores: SLLM_GATEWAY__PORT=9000.
    Relative paths of models, adapters and templates in the file are looked for beside the file, then here, then in the project's folder.
    Raises ConfigError with the key, what is wrong and the nearest known key.
    """
    data = _read(Path(path)) if path else {}
    for source in (_from_environ(os.environ if environ is None else environ), overrides or {}):
        data = _merge(data, source)
    return parse(data, where=str(path) if path else "the configuration")


def parse(data: Mapping[str, Any], where: str = "the configuration") -> Settings:
    """Settings from a nested dict. Raises ConfigError."""
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{where}: " + "; ".join(_sentence(e) for e in error.errors())) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"no configuration file at {path}: check --config") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}") from None
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{at}: not YAML: {getattr(error, 'problem', error)}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: the file must hold keys and values, such as `models:`; it holds {type(data).__name__}")
    return _anchor(data, path.resolve().parent)


def _anchor(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Relative paths that exist (beside the file, here, or in the project) become absolute; hub ids stay as written."""

    def fix(value: Any) -> Any:
        if isinstance(value, str) and not os.path.isabs(value):
            beside = next((f / value for f in (folder, Path.cwd(), ROOT) if (f / value).exists()), None)
            return str(beside) if beside else value
        return value

    models = data.get("models")
    if not isinstance(models, list):
        return data
    fixed: list[Any] = []
    for model in models:
        if isinstance(model, dict):
            model = {**model, **{k: fix(model[k]) for k in ("path", "chat_template") if k in model}}
            if isinstance(model.get("adapters"), dict):
                model["adapters"] = {k: fix(v) for k, v in model["adapters"].items()}
            if isinstance(model.get("speculative"), dict) and "model" in model["speculative"]:
                model["speculative"] = {**model["speculative"], "model": fix(model["speculative"]["model"])}
        fixed.append(model)
    return {**data, "models": fixed}


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for variable, text in environ.items():
        if not variable.startswith("SLLM_"):
            continue
        keys = variable.removeprefix("SLLM_").lower().split("__")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"{variable}: not a YAML value: {text!r}") from None
        nested: Any = value
        for key in reversed(keys):
            nested = {key: nested}
        data = _merge(data, nested)
    return data


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _sentence(error: Any) -> str:
    where = ".".join(str(p) for p in error["loc"]) or "file"
    if error["type"] == "extra_forbidden":
        import difflib

        key, known = str(error["loc"][-1]), known_keys(error["loc"][:-1])
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
        return f"unknown key '{where}': {hint}"
    if error["type"] == "missing":
        return f"'{where}' is missing"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"'{where}': {message}" if error["loc"] else message


def known_keys(loc: tuple[Any, ...]) -> list[str]:
    """The keys that are known at `loc`, a path of keys and indices into the configuration."""
    annotation: Any = Settings
    for step in loc:
        annotation = _inside(annotation, step)
    section = _section(annotation)
    return list(section.model_fields) if section else []


def _section(annotation: Any) -> type[Section] | None:
    candidates = typing.get_args(annotation) if typing.get_origin(annotation) in (typing.Union, types.UnionType) else (annotation,)
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, Section)), None)


def _inside(annotation: Any, step: Any) -> Any:
    section = _section(annotation)
    if section:
        field = section.model_fields.get(str(step))
        return field.annotation if field else None
    args = typing.get_args(annotation)
    return args[-1] if typing.get_origin(annotation) is dict else (args[0] if args else None)
