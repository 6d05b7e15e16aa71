"""The list `guards:` of the configuration: what all guards share, and the keys of each kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from server.section import Section
from server.units import Duration

Stage = Literal["input", "output", "both"]
Action = Literal["block", "redact", "warn", "reask"]
Form = Literal["label", "mask", "reversible"]
OnError = Literal["open", "closed"]
# YAML reads `off` as false.
Encoded = Annotated[Literal["input", "both", "off"], BeforeValidator(lambda value: "off" if value is False else value)]


class GuardBase(Section):
    """What every guard has."""

    kind: str
    name: str = Field("", max_length=64, pattern=r"^[A-Za-z0-9_.-]*$", description="Shown in headers, metrics and errors; none: its kind.")
    stage: Stage = Field("both", description="What it judges: what goes into the model, what comes out, or both.")
    action: Action = Field("block", description="What is done with what it finds.")
    on_error: OnError = Field("open", description="A guard that fails or is too slow: open lets the text pass, closed does not.")
    timeout: Duration = Field(2.0, gt=0, description="Longest that one judgement may take.")
    models: tuple[str, ...] = Field((), description="Models, adapters and personas it is for; none: all.")
    message: str | dict[Literal["ko", "en"], str] | None = Field(None, description="What a client reads when it blocks, instead of ours.")

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or self.kind


class Cuts(GuardBase):
    """A guard that finds places in the text, which can be cut out."""

    form: Form = Field("label", description="What stands in for what was cut: [LABEL], a mask, or a token that is put back in the answer.")


class Pattern(Cuts):
    """Regular expressions and words, in linear time."""

    kind: Literal["pattern"]
    patterns: tuple[str, ...] = Field((), description="Regular expressions (no back-references, no look-around but of one character).")
    words: tuple[str, ...] = Field((), description="Words and phrases, whole or with a Korean particle after them.")
    words_file: str | None = Field(None, description="A file with one word or phrase a line; # begins a comment.")
    ignore_case: bool = Field(True, description="Upper and lower case are the same.")
    category: str = Field("pattern", description="What its findings are called.")
    longest: int = Field(
        1000, ge=1, le=10_000, description="A match is never longer, in characters; what bounds the hold-back of a stream."
    )

    @model_validator(mode="after")
    def _has_something(self) -> Pattern:
        if not (self.patterns or self.words or self.words_file):
            raise ValueError("a pattern guard needs `patterns`, `words` or `words_file`")
        return self


class Length(GuardBase):
    """Too long."""

    kind: Literal["length"]
    max_characters: int | None = Field(None, ge=1, description="Most characters of all texts together (input), of one answer (output).")
    max_tokens: int | None = Field(None, ge=1, description="Most tokens, by the model's own tokenizer.")
    max_turns: int | None = Field(None, ge=1, description="Most messages of users in one request (input).")

    @model_validator(mode="after")
    def _has_a_limit(self) -> Length:
        if self.max_characters is None and self.max_tokens is None and self.max_turns is None:
            raise ValueError("a length guard needs `max_characters`, `max_tokens` or `max_turns`")
        return self


class JsonSchema(GuardBase):
    """The answer must be JSON that the schema takes."""

    model_config = ConfigDict(serialize_by_alias=True)  # what is dumped can be loaded again

    kind: Literal["json_schema"]
    stage: Stage = Field("output", description="What it judges: what comes out of the model.")
    json_schema: dict[str, Any] | None = Field(None, alias="schema", description="The JSON schema.")
    schema_file: str | None = Field(None, description="A file with it.")
    reasks: int = Field(2, ge=1, le=5, description="With action reask: how often the model is shown its error and asked again.")

    @model_validator(mode="after")
    def _has_a_schema(self) -> JsonSchema:
        if (self.json_schema is None) == (self.schema_file is None):
            raise ValueError("a json_schema guard needs `schema` or `schema_file`, one of the two")
        if self.stage != "output":
            raise ValueError("a json_schema guard judges answers: write `stage: output`")
        return self


class Pii(Cuts):
    """Personal data, by rule."""

    kind: Literal["pii"]
    action: Action = Field("redact", description="What is done with what it finds.")
    on_error: OnError = Field("closed", description="A guard that fails or is too slow: open lets the text pass, closed does not.")
    entities: tuple[str, ...] = Field(
        (), description="Kinds of data looked for, as `sllm guard check` lists them; none: all but `off_by_default`."
    )
    allow: tuple[str, ...] = Field((), description="Values that are let through, such as your own hotline.")
    encoded: Encoded = Field(
        "input", description="Whether base64, hex and URL encodings are looked into; on answers it holds back every long word."
    )


class Secrets(Cuts):
    """Keys, tokens and passwords of common services."""

    kind: Literal["secrets"]
    action: Action = Field("redact", description="What is done with what it finds.")
    on_error: OnError = Field("closed", description="A guard that fails or is too slow: open lets the text pass, closed does not.")
    entities: tuple[str, ...] = Field((), description="Kinds of secrets looked for, as `sllm guard check` lists them; none: all.")
    allow: tuple[str, ...] = Field((), description="Values that are let through, such as a documented example key.")
    encoded: Encoded = Field(
        "input", description="Whether base64, hex and URL encodings are looked into; on answers it holds back every long word."
    )


class Windowed(GuardBase):
    """A guard that asks a model about the text, sentence by sentence on answers."""

    window: int = Field(400, ge=0, le=20_000, description="Characters before a sentence that are judged with it, on answers.")


class Classifier(Windowed):
    """Any text-classification model."""

    kind: Literal["classifier"]
    model: str = Field(min_length=1, description="Folder or hub id: ONNX (onnxruntime) or transformers; or `injection`, which ships.")
    labels: dict[str, Action | Literal["pass"]] = Field({}, description="Label -> action; none: every label but the first is acted on.")
    threshold: float = Field(0.5, gt=0, lt=1, description="Probability from which a label counts.")
    max_tokens: int = Field(512, ge=8, le=8192, description="Tokens of one window over a long text.")
    overlap: int = Field(64, ge=0, description="Tokens that two windows share.")


class Similarity(Windowed):
    """Topics by example sentences."""

    kind: Literal["similarity"]
    allowed: tuple[str, ...] = Field((), description="Examples of what may be talked about; with some, all else is found.")
    denied: tuple[str, ...] = Field((), description="Examples of what may not.")
    threshold: float = Field(0.6, gt=0, le=1, description="Cosine similarity from which a text is like an example.")
    embedder: str = Field(
        "ngram", min_length=1, description="As cache.semantic.embedder: ngram, a folder or hub id, a served model, a URL."
    )
    embedder_model: str | None = Field(None, description="The model's name where the embedder is a URL.")
    embedder_key: str | None = Field(None, description="Name of the environment variable that holds the API key for that URL.")
    prefix: str = Field("", description='Put before each text, as some models ask: "query: " for e5.')

    @model_validator(mode="after")
    def _has_examples(self) -> Similarity:
        if not (self.allowed or self.denied):
            raise ValueError("a similarity guard needs `allowed` or `denied` example sentences")
        return self


class Llm(Windowed):
    """A judge: a served model with a policy, or a guard model that answers with one token."""

    kind: Literal["llm"]
    model: str = Field(min_length=1, description="A served model's name, or with `url` the model's name there.")
    url: str | None = Field(None, description="Base URL of another OpenAI-compatible server.")
    key: str | None = Field(None, description="Name of the environment variable that holds the API key for it.")
    template: str = Field("policy", description="policy, kanana-safeguard, qwen3guard, llama-guard, or a file with a template of your own.")
    policy: str = Field("", description="What is not allowed, in words; for the template `policy`.")
    threshold: float = Field(0.5, gt=0, lt=1, description="Probability of `unsafe` from which it acts.")
    max_tokens: int = Field(32, ge=1, le=1024, description="Most tokens of its answer.")
    timeout: Duration = Field(10.0, gt=0, description="Longest that one judgement may take.")
    parallel: bool = Field(True, description="On inputs: judge beside the generation, whose first byte waits for it.")

    @model_validator(mode="after")
    def _has_a_policy(self) -> Llm:
        if self.template == "policy" and not self.policy.strip():
            raise ValueError("an llm guard with the template `policy` needs `policy`: what is not allowed, in words")
        return self


class Nemo(Windowed):
    """An existing NeMo Guardrails configuration."""

    kind: Literal["nemo"]
    folder: str = Field(min_length=1, description="The folder with its config.yml.")
    timeout: Duration = Field(10.0, gt=0, description="Longest that one judgement may take.")


Guard = Annotated[
    Pattern | Length | JsonSchema | Pii | Secrets | Classifier | Similarity | Llm | Nemo,
    Field(discriminator="kind"),
]


def check(guards: tuple[GuardBase, ...]) -> None:
    """Raises ValueError for what the guards cannot do together or with their action."""
    seen: set[str] = set()
    for guard in guards:
        name = guard.label
        if name in seen:
            raise ValueError(f"two guards are called '{name}': give one a `name`")
        seen.add(name)
        if guard.action == "redact" and not isinstance(guard, Cuts):
            raise ValueError(f"guard '{name}' finds no places in the text that could be cut: write `action: block` or `warn`")
        if guard.action == "reask" and not isinstance(guard, JsonSchema):
            raise ValueError(f"guard '{name}': `action: reask` is for json_schema guards: write block, redact or warn")
