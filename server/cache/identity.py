"""The identity of a request: a digest of everything that decides its answer, and of nothing else.

Two requests share a key only if engine, weights, adapter, template, persona, policy, tenant, namespace and every field
of the body are equal, unknown fields included; `user`, `stream`, `stream_options` and `metadata` decide nothing. What
two readers of JSON may understand differently (a key twice, NaN, unpaired surrogates) has no identity, nor has what
points outside the request (a web address, a stored conversation): such a request always goes to the engine.

The encoding under the digest is msgpack with sorted keys: every text, list and map carries its length, so no two
values share bytes. Texts are as they were sent, without Unicode normalisation. Whole numbers are exact; a number with
a fraction or an exponent is kept as written: 1, 1.0 and 1e0 differ, which costs a miss and never a wrong answer.
"""

from __future__ import annotations

import json
import re
from abc import ABC
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.msgpack import Ext

from server.cache.entry import KINDS, Kind
from server.cache.outside import outside

if TYPE_CHECKING:
    from server.cache.semantic.question import Question

Fields = Mapping[str, Any]

VERSION = 1  # of the encoding; a change takes the next number, and no old key is found again
DECIMAL = 1  # msgpack extension type of a number with a fraction or an exponent, as written
LARGE = 2  # of an integer beyond 64 bits
SMALLEST, LARGEST = -(10**17), 10**18  # whole numbers between are integers for `read` and for msgspec
MEMOISED = 2048  # bytes; larger bodies are digested anew each time

SIMPLE = ("chat", "completions")


class Origin(msgspec.Struct, frozen=True, cache_hash=True):
    """Everything that decides an answer and is not in the body."""

    tenant: str
    namespace: str
    model: str
    weights: str  # digest
    adapter: str
    template: str  # of the chat, its digest
    engine: str  # name and version
    persona: str
    policy: str  # digest of the guards' settings


class Identity(msgspec.Struct, frozen=True):
    key: bytes  # 32 bytes, SHA-256
    kind: Kind
    sampled: bool  # asked twice, the engine may answer differently
    semantic: Question | None = None  # None: never answered by a similar question's answer


class Uncacheable(msgspec.Struct, frozen=True):
    reason: str


Ask = Callable[[str, Fields, Origin], "Question | None"]  # path, fields without those not counted, origin


def identify(path: str, body: bytes, origin: Origin, ask: Ask | None = None) -> Identity | Uncacheable:
    """The identity of a request to the route `path`; `body` is what goes to the engine, after persona rewriting.

    `ask` makes the semantic question of it; without one, `semantic` is None.
    """
    if len(body) <= MEMOISED:
        return _memoised(path, body, origin, ask)
    return identify_anew(path, body, origin, ask)


def identify_anew(path: str, body: bytes, origin: Origin, ask: Ask | None = None) -> Identity | Uncacheable:
    """The same without a memo, for a request that is hardly ever asked twice."""
    kind = KINDS.get(path)
    if kind is None:
        return Uncacheable(f"{path} is not cached")
    plain = _plain(body) if kind in SIMPLE else None
    if plain is not None:
        few, data = plain
        drawn = few.seed is few.temperature is UNSET or _draws(few.seed, few.temperature)
        question = ask(path, msgspec.msgpack.decode(data), origin) if ask is not None else None
        return Identity(sha256(_prefix(path, origin) + data).digest(), kind, drawn, question)
    fields = read(body)
    if isinstance(fields, Uncacheable):
        return fields
    options = fields.pop("stream_options", None)
    streams = fields.pop("stream", None)
    fields.pop("user", None)
    fields.pop("metadata", None)
    if options is not None and _unusual(options):
        return Uncacheable("stream_options asks for another stream than the one that is kept")
    if _shapes_differ(kind, fields):
        fields["stream"] = streams is True  # then it does decide
    try:
        data = canonical(fields)
    except (UnicodeEncodeError, msgspec.EncodeError, RecursionError, OverflowError, ValueError):
        return Uncacheable("the body holds a text that is no Unicode")
    reason = outside(kind, fields)
    if reason is not None:
        return Uncacheable(reason)
    key = sha256(_prefix(path, origin) + data).digest()
    return Identity(key, kind, sampled(fields, kind), ask(path, fields, origin) if ask is not None else None)


_memoised = lru_cache(maxsize=2048)(identify_anew)


class _Number(ABC):  # noqa: B024  only what is registered below
    """A whole number, or one as it is written."""


_Number.register(int)
_Number.register(Ext)


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    content: str
    role: str


_Whole = Annotated[int, msgspec.Meta(gt=SMALLEST, lt=LARGEST)] | None | UnsetType
_Text = str | None | UnsetType
_Fraction = _Number | None | UnsetType


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    """A request as most are: no field of it points outside or changes what a stream tells. Sorted by name, as `canonical` does."""

    frequency_penalty: _Fraction = UNSET
    max_completion_tokens: _Whole = UNSET
    max_tokens: _Whole = UNSET
    messages: list[_Message] | UnsetType = UNSET
    min_p: _Fraction = UNSET
    model: _Text = UNSET
    n: _Whole = UNSET
    presence_penalty: _Fraction = UNSET
    prompt: _Text = UNSET
    repetition_penalty: _Fraction = UNSET
    seed: _Whole = UNSET
    stop: _Text = UNSET
    stream: bool | UnsetType | None = UNSET
    stream_options: dict[str, bool | None] | UnsetType | None = UNSET
    temperature: _Fraction = UNSET
    top_k: _Whole = UNSET
    top_p: _Fraction = UNSET
    user: _Text = UNSET


def _plain(body: bytes) -> tuple[_Plain, bytes] | None:
    """The fields that count of a request as most are, and their canonical bytes; None for one that needs a closer look.

    This is `read` and what follows it, for a fifth of the time. Each key of a body stands before a colon: where there are as many
    of these as there are keys, none is there twice. Texts hold colons too; then those are counted that stand behind a quote.
    """
    try:
        fields = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    keys = 0 if fields.user is fields.stream is fields.stream_options is UNSET else _drop(fields)
    if keys < 0:
        return None
    data = _encoder.encode(fields)
    count = data[2]  # of the fields that are there; msgspec writes a map that could have had more than 15 with the long header
    if count < 16:
        data = _MAPS[count] + data[3:]
    keys += count
    if fields.messages is not UNSET:
        keys += 2 * len(fields.messages)
    if body.count(b":") != keys and (body.count(b'":') != keys or _spaced(body) is not None):
        return None
    return fields, data


def _drop(fields: _Plain) -> int:
    """Take out what is not counted; how many keys that were. -1: the stream is another than the one that is kept."""
    keys = (fields.user is not UNSET) + (fields.stream is not UNSET) + (fields.stream_options is not UNSET)
    if fields.stream_options is not UNSET and fields.stream_options is not None:
        if _unusual(fields.stream_options):
            return -1
        keys += len(fields.stream_options)
    fields.user = fields.stream = fields.stream_options = UNSET
    return keys


def _same_number(_: object, value: Any) -> Any:
    """A number, as it is here, that is the same for `read`. Raises ValueError for what is none."""
    if type(value) is Ext or (type(value) is int and SMALLEST < value < LARGEST):
        return value
    raise ValueError


def read(body: bytes) -> dict[str, Any] | Uncacheable:
    """The fields of `body` with exact numbers, or why it has no identity."""
    try:
        text = body.decode()
        fields, end = _scan(text, 0) if text.startswith("{") else (None, -1)
        if end != len(text):
            fields = _decoder.decode(text)
    except _Ambiguous as error:
        return Uncacheable(str(error))
    except (ValueError, RecursionError, StopIteration):
        return Uncacheable("the body is no JSON (RFC 8259)")
    if not isinstance(fields, dict):
        return Uncacheable("the body is no JSON object")
    return fields


def canonical(value: Any) -> bytes:
    """`value`, as `read` gives it, as bytes that are equal only for equal values.

    Raises UnicodeEncodeError for unpaired surrogates, RecursionError for what is nested too deeply.
    """
    return _encoder.encode(value)


def sampled(fields: Fields, kind: Kind = "chat") -> bool:
    """Whether the engine draws the answer: a temperature above 0, or none (engines draw then), and no seed."""
    return kind != "embeddings" and _draws(fields.get("seed", UNSET), fields.get("temperature", UNSET))


def _draws(seed: Any, temperature: Any) -> bool:
    if seed is not UNSET and seed is not None:
        return False
    degree = number(temperature) if temperature is not UNSET else None
    return degree is None or degree > 0


def number(value: Any) -> float | None:
    """A number that `read` has read; None where `value` is none."""
    if isinstance(value, Ext):
        return float(value.data)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else None


class _Ambiguous(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _Ambiguous("the body has a key twice")
    return fields


def _integer(text: str) -> int | Ext:
    return int(text) if len(text) < 19 else Ext(LARGE, text.encode())


def _constant(text: str) -> NoReturn:
    raise _Ambiguous(f"the body holds {text}")


_decoder = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=lambda text: Ext(DECIMAL, text.encode()),
    parse_int=_integer,
    parse_constant=_constant,
)
_decode = msgspec.json.Decoder(_Plain, dec_hook=_same_number, float_hook=lambda text: Ext(DECIMAL, text.encode())).decode
_spaced = re.compile(rb'"[ \t\r\n]+:').search  # a key that `":` does not show
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]  # `decode`, without its two searches for white space
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_MAPS = tuple(bytes((0x80 | count,)) for count in range(16))  # the header of a map of so many fields


@lru_cache(maxsize=4096)
def _prefix(path: str, origin: Origin) -> bytes:
    """32 bytes for what stands before the body."""
    return sha256(msgspec.msgpack.encode((VERSION, path, origin))).digest()


def _shapes_differ(kind: Kind, fields: Fields) -> bool:
    """Whether vLLM tells more in the whole answer than in the stream: the logprobs of the prompt, which an echo brings along."""
    if fields.get("prompt_logprobs") is not None:
        return True
    return fields.get("echo") not in (None, False) and (kind == "chat" or fields.get("logprobs") is not None)


def _unusual(options: Any) -> bool:
    """Whether `stream_options` asks for more than the usage chunk, such as vLLM's usage in every chunk."""
    return not isinstance(options, dict) or any(name != "include_usage" and value not in (None, False) for name, value in options.items())
