"""The configuration: one YAML file, SLLM_* variables over it, flags over both.

Each key is one field here, with its default and its help; the command line takes both from it.
Every object is frozen. An unknown key is an error that names the nearest key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from server import configfile
from server.configerrors import sentences
from server.configfile import Layer, Loc
from server.errors import ConfigError
from server.guardsettings import Guard, check
from server.section import Section
from server.units import Duration, Size

ROOT = Path(__file__).resolve().parent.parent
DEMO_MODEL = "models/demo"
MOST_ERRORS = 5  # in one message


KVCacheDtype = Literal[
    "auto", "float16", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "nvfp4",
    "int8_per_token_head", "int4_per_token_head", "fp8_per_token_head",
    "turboquant_k8v4", "turboquant_4bit_nc", "turboquant_k3v4_nc", "turboquant_3bit_nc",
]  # fmt: skip


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
    upstream_key: str | None = Field(None, description="Name of the environment variable that holds the API key for the upstreams.")
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
    kv_cache_dtype: KVCacheDtype = Field(
        "auto", description="Type of the KV cache; fp8 halves it. auto: the checkpoint's word, else the weights' type."
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
        try:
            return value.expanduser().absolute()
        except RuntimeError:  # no HOME, and the user is not in the system's list: common in containers
            raise ValueError("this user has no home folder: write an absolute path") from None


class Upstreams(Section):
    """How requests are spread over the upstreams of a model."""

    eject_after: int = Field(3, ge=1, description="Failures in a row before an upstream is left out.")
    eject_for: Duration = Field(10.0, description="How long it is left out before it is tried again.")
    retries: int = Field(2, ge=0, description="Other upstreams tried while no byte was sent to the client.")


CACHE_STORES = "sqlite, memory, off, valkey://host:6379/0 or redis://host:6379/0"
_STORE_URL = re.compile(r"(valkeys?|rediss?|unix)://.+")


def _off(value: Any) -> Any:
    """YAML reads `off` as false."""
    return "off" if value is False else value


class Semantic(Section):
    """Answers to questions that mean the same. Off unless asked for."""

    mode: Literal["off", "shadow", "serve"] = Field("off", description="shadow measures without serving; serve serves.")
    max_false_hit_rate: float = Field(
        0.01, gt=0, lt=1, description="Share of wrong answers that is allowed; above it, semantic serving turns itself off."
    )
    embedder: str = Field(
        "ngram",
        min_length=1,
        description="ngram (built in), a folder or hub id of an ONNX model, a served model's name, or the base URL of a /v1/embeddings.",
    )
    embedder_model: str | None = Field(None, description="The model's name where the embedder is a URL.")
    embedder_key: str | None = Field(None, description="Name of the environment variable that holds the API key for that URL.")
    prefix: str = Field("", description='Put before each question, as some models ask: "query: " for e5.')
    deadline: Duration | None = Field(None, gt=0, description="Longest wait for an embedding; none: 50ms, or 250ms over HTTP.")
    threshold: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Similarity from which answers are served, as `sllm cache calibrate` finds it; none: a partition proves itself first.",
    )
    judge: str | None = Field(None, description="A served model that is asked whether two answers say the same.")
    audit_share: float = Field(0.05, ge=0, le=1, description="Share of semantic hits that is also generated afresh and compared.")
    max_questions: int = Field(100_000, ge=1, description="Questions kept in one partition; the oldest go first.")

    @field_validator("mode", mode="before")
    @classmethod
    def _off_is_text(cls, value: Any) -> Any:
        return _off(value)


class Cache(Section):
    """Answers are kept and served again."""

    store: str = Field("sqlite", description=f"Where answers are kept: {CACHE_STORES}.")
    ttl: Duration = Field(86400.0, gt=0, description="An answer is served for this long.")
    max_bytes: Size = Field(2**30, ge=2**20, description="Most that the store holds; what was used longest ago goes first.")
    memory: Size = Field(64 * 2**20, description="Most that is held in memory in front of the store, for each worker.")
    max_entry: Size = Field(4 * 2**20, ge=1, description="A larger answer is not kept.")
    sampled: bool = Field(True, description="Also keep answers to requests with a temperature above 0 and no seed.")
    replay: Literal["instant", "paced"] = Field("instant", description="A kept stream is sent at once, or at the pace it was made at.")
    namespace_header: bool = Field(True, description="Requests may choose a namespace of their own with x-sllm-cache-namespace.")
    secret: str | None = Field(None, description="A text that only your gateways know: what others write into a shared store is not taken.")
    semantic: Semantic = Semantic()

    @field_validator("store", mode="before")
    @classmethod
    def _known_store(cls, value: Any) -> Any:
        value = _off(value)
        if isinstance(value, str) and value not in ("sqlite", "memory", "off") and not _STORE_URL.fullmatch(value):
            raise ValueError(f"'{value}' is no store: write {CACHE_STORES}")
        return value


class Batch(Section):
    """Work from files: `/v1/files`, `/v1/batches` and `sllm batch`."""

    max_file: Size = Field(512 * 10**6, ge=1, description="Largest file that /v1/files takes.")
    max_lines: int = Field(50_000, ge=1, description="Most requests in one batch of /v1/batches.")
    max_line: Size = Field(32 * 10**6, ge=1, description="Longest line of a batch file.")
    keep_files: Duration | None = Field(None, gt=0, description="Files are deleted after this long, unless their upload says; none: never.")
    concurrency: int | Literal["auto"] = Field(
        "auto", description="Most lines in flight at one engine; auto: as many as keep it full, for all gateway workers together."
    )
    share: float = Field(
        0.6,
        gt=0,
        le=1,
        description="Part of `concurrency` that batch work keeps while interactive requests come; slow first tokens lower it.",
    )
    priority: int = Field(100, ge=1, description="Priority of batch lines in the engine; interactive requests have 0, lower goes first.")
    retries: int = Field(5, ge=0, description="How often a line that failed for a passing reason is sent again.")

    @field_validator("concurrency")
    @classmethod
    def _at_least_one(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError("write a number from 1 up, or auto")
        return value


class Settings(Section):
    """The whole configuration; the empty file serves the demo model."""

    models: tuple[Model, ...] = Field((), description="Served models; none: the demo model as `demo`.")
    personas: dict[str, Persona] = Field({}, description="System prompt and sampling defaults, callable as a model.")
    engine: Literal["auto", "cuda", "cpu"] = Field(
        "auto", description="Which engine build runs; auto: CUDA where an NVIDIA driver answers."
    )
    gateway: Gateway = Gateway()
    upstreams: Upstreams = Upstreams()
    cache: Cache = Cache()
    batch: Batch = Batch()
    guards: tuple[Guard, ...] = Field((), description="What goes in and comes out is judged by these, in this order.")
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
        for guard in self.guards:
            for name in guard.models:
                if name not in seen:
                    raise ValueError(f"guard '{guard.label}' is for '{name}', which is no model: one of {', '.join(sorted(seen))}")
        check(self.guards)
        return self


def demo_model() -> dict[str, Any]:
    """The model that an empty configuration serves."""
    return {"name": "demo", "path": str(ROOT / DEMO_MODEL)}


def load(path: str | Path | None = None, overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the file at `path` (YAML), SLLM_* variables, and `overrides` (nested dict), later ones win.

    A variable names its key with double underscores: SLLM_GATEWAY__PORT=9000.
    Relative paths of models, adapters and templates are looked for beside the file, then here, then in the project's folder.
    Raises ConfigError with the source, the key, what is wrong and the nearest known key.
    """
    return from_layers(layers(path, overrides, environ))


def layers(path: str | Path | None, overrides: Mapping[str, Any] | None, environ: Mapping[str, str] | None) -> list[Layer]:
    """What the file, the variables and the flags say, in rising order. Raises ConfigError."""
    file = [configfile.read(Path(path))] if path else []
    variables = configfile.from_environ(os.environ if environ is None else environ)
    return [*file, *variables, Layer("flags", overrides or {})]


def from_layers(said: Sequence[Layer]) -> Settings:
    """Settings from layers. Raises ConfigError."""
    beside = [layer.path.resolve().parent for layer in said if layer.path]
    try:
        return Settings.model_validate(_anchor(configfile.merge(said), [*beside, Path.cwd(), ROOT]))
    except ValidationError as error:
        wrong = sentences(error.errors(), Settings)
    shown = [f"{_where(said, loc)}: {sentence}" for loc, sentence in list(wrong.items())[:MOST_ERRORS]]
    raise ConfigError("; ".join(shown) + (f"; and {len(wrong) - MOST_ERRORS} more" if len(wrong) > MOST_ERRORS else ""))


def parse(data: Mapping[str, Any], where: str = "the configuration") -> Settings:
    """Settings from a nested dict. Raises ConfigError."""
    return from_layers([Layer(where, data)])


def _where(said: Sequence[Layer], loc: Loc) -> str:
    """Who said the value at `loc`: a file with its line, a variable, the flags."""
    layer = configfile.origin(said, loc) or said[0]
    line = configfile.line_of(layer.path, loc) if layer.path else None
    return f"{layer.source}, line {line}" if line else layer.source


# The keys of guards, by kind, that may hold a path; _ONLY_PATHS hold nothing else.
_GUARD_PATHS = {
    "pattern": ("words_file",),
    "json_schema": ("schema_file",),
    "classifier": ("model",),
    "similarity": ("embedder",),
    "llm": ("template",),
    "nemo": ("folder",),
}
_ONLY_PATHS = {"words_file", "schema_file", "folder"}


def _anchor(data: dict[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """Relative paths that exist in one of `folders` become absolute; hub ids stay as written."""

    def fix(value: Any) -> Any:
        if not isinstance(value, str) or not value:
            return value
        found = next((f / Path(value).expanduser() for f in folders if (f / Path(value).expanduser()).exists()), None)
        return str(found) if found else value

    def model(entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        entry = {k: fix(v) if k in ("path", "chat_template") else v for k, v in entry.items()}
        if isinstance(entry.get("adapters"), dict):
            entry["adapters"] = {k: fix(v) for k, v in entry["adapters"].items()}
        if isinstance(entry.get("speculative"), dict):
            entry["speculative"] = {k: fix(v) if k == "model" else v for k, v in entry["speculative"].items()}
        return entry

    def guard(entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        paths = _GUARD_PATHS.get(str(entry.get("kind")), ())
        # a bare word is a name (ngram, a served model, a shipped template), whatever folder is called the same
        return {k: fix(v) if k in paths and ("/" in str(v) or k in _ONLY_PATHS) else v for k, v in entry.items()}

    anchored = {"models": model, "guards": guard}
    return data | {key: [fixed(entry) for entry in data[key]] for key, fixed in anchored.items() if isinstance(data.get(key), list)}
