"""Embeddings, input by input: a list in which some inputs are known asks the engine only for the others.

    bodies = split(body)                one request body for each input; the key of each is that body's identity
    batch(body, [1, 4])                 the request for the inputs that are missing
    parts(body, [1, 4], answer)         the engine's answer to it, as one answer for each of these inputs
    join(parts)                         the client's answer, with indices and usage as the engine gives them

The engine tells the tokens of a list only as a sum. The number for one input is known if it was asked alone, if it was
sent as tokens, or if all inputs were equal; else the parts of one list remember the list, and their usage can be told
where all of them are wanted. `short` names those for which it cannot: ask for them again with what is missing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import msgspec

from server.cache.entry import UNKNOWN
from server.cache.identity import Uncacheable, read
from server.cache.shapes.answer import Recorded

Fields = dict[str, msgspec.Raw]


class _Item(msgspec.Struct):
    index: int
    embedding: msgspec.Raw
    object: str = "embedding"


class _List(msgspec.Struct):
    """The list that a part came from."""

    id: str
    size: int
    place: int
    tokens: int  # of all of it


class _Answer(msgspec.Struct, omit_defaults=True, rename={"of": "_list"}):
    data: list[_Item]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None  # of a part whose own tokens are unknown: the list's
    error: Any = None
    of: _List | None = None  # in a part whose own tokens are unknown


_answer = msgspec.json.Decoder(_Answer)
_fields = msgspec.json.Decoder(Fields)
_inputs = msgspec.json.Decoder(list[msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def read_whole(body: bytes) -> Recorded | None:
    """An answer, or a part of one; None unless it is complete. Its prompt tokens are UNKNOWN for a part that knows only its list's."""
    answer = _read(body)
    if answer is None:
        return None
    tokens = UNKNOWN if answer.of else _count(answer.usage)
    return Recorded("embeddings", body, b"", b"", tokens, 0, natural_end=False)


def split(body: bytes) -> list[bytes] | None:
    """One request for each input of `body`, all else equal; a text in a list of one and the text alone give the same.

    None where there is nothing to split: no inputs, or a body that has no identity.
    """
    if isinstance(read(body), Uncacheable):
        return None
    try:
        fields = _fields.decode(body)
        inputs = _inputs_of(fields)
    except msgspec.DecodeError:
        return None
    return [_encode({**fields, "input": one}) for one in inputs] or None


def batch(body: bytes, wanted: Sequence[int]) -> bytes:
    """`body` with only the inputs at `wanted`, in that order. `split` has taken the body."""
    fields = _fields.decode(body)
    inputs = _inputs_of(fields)
    return _encode({**fields, "input": [inputs[index] for index in wanted]})


def parts(body: bytes, wanted: Sequence[int], answer: bytes) -> list[bytes] | None:
    """The engine's `answer` to `batch(body, wanted)`, as an answer for each input. None where it does not fit the request."""
    whole = _read(answer)
    inputs = _inputs_of(_fields.decode(body))
    if whole is None or sorted(item.index for item in whole.data) != list(range(len(wanted))):
        return None
    total = _count(whole.usage)
    tokens = _tokens([bytes(inputs[index]) for index in wanted], total)
    name = sha256(answer).hexdigest()[:32]
    made = []
    for item in sorted(whole.data, key=lambda item: item.index):
        place = item.index
        one = _Answer([_Item(0, item.embedding, item.object)], whole.id, whole.object, whole.created, whole.model, whole.usage)
        if tokens is None:
            one.of = _List(name, len(wanted), place, total)
        else:
            one.usage = _usage(whole.usage, tokens[place])
        made.append(_encode(one))
    return made


def short(known: Sequence[bytes | None]) -> list[int]:
    """The places whose usage cannot be told from the parts at hand: only some of the list that they came from are wanted.

    `known` are the parts in the order of the inputs, None for those that are missing.
    """
    of: dict[str, Counter[int]] = defaultdict(Counter)
    places: dict[str, list[int]] = defaultdict(list)
    sizes: dict[str, int] = {}
    for index, part in enumerate(known):
        origin = _answer.decode(part).of if part is not None else None
        if origin is not None:
            of[origin.id][origin.place] += 1
            places[origin.id].append(index)
            sizes[origin.id] = origin.size
    lacking = [name for name, seen in of.items() if len(seen) != sizes[name] or len(set(seen.values())) != 1]
    return sorted(index for name in lacking for index in places[name])


def join(known: Sequence[bytes]) -> bytes:
    """One answer of `known` parts, in the order of the request's inputs. `short` names none of them."""
    answers = [_answer.decode(part) for part in known]
    lists: Counter[str] = Counter()  # how many parts of each list are here
    tokens = 0
    for answer in answers:
        if answer.of is None:
            tokens += _count(answer.usage)
        else:
            lists[answer.of.id] += 1
            tokens += answer.of.tokens if lists[answer.of.id] % answer.of.size == 0 else 0
    first = answers[0]
    whole = {
        "id": first.id,
        "object": first.object or "list",
        "created": first.created,
        "model": first.model,
        "data": [{"index": index, "object": a.data[0].object, "embedding": a.data[0].embedding} for index, a in enumerate(answers)],
        "usage": _usage(first.usage, tokens),
    }
    return _encode({name: value for name, value in whole.items() if value is not None})


def _read(body: bytes) -> _Answer | None:
    try:
        answer = _answer.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return answer if answer.data and answer.error is None else None


def _count(usage: dict[str, Any] | None) -> int:
    tokens = (usage or {}).get("prompt_tokens")
    return tokens if isinstance(tokens, int) else 0


def _usage(usage: dict[str, Any] | None, tokens: int) -> dict[str, Any] | None:
    """`usage` as the engine wrote it, with other numbers."""
    return None if usage is None else {**usage, "prompt_tokens": tokens, "total_tokens": tokens}


def _inputs_of(fields: Fields) -> list[msgspec.Raw]:
    """The inputs as they were written: a text, a list of texts, a list of tokens, a list of lists of tokens."""
    raw = bytes(fields.get("input", b""))
    if raw.startswith(b'"'):
        return [msgspec.Raw(raw)]
    if not raw.startswith(b"["):
        return []
    inputs = _inputs.decode(raw)
    if all(bytes(one)[:1] == b'"' for one in inputs) or all(bytes(one)[:1] == b"[" for one in inputs):
        return inputs
    if all(bytes(one).isdigit() for one in inputs):
        return [msgspec.Raw(raw)]
    return []  # a mixture: the engine says what is wrong


def _tokens(inputs: list[bytes], total: int) -> list[int] | None:
    """The tokens of each input; None where only their sum is known."""
    if len(set(inputs)) == 1 and total % len(inputs) == 0:
        return [total // len(inputs)] * len(inputs)
    if all(one.startswith(b"[") for one in inputs):
        counted = [len(_inputs.decode(one)) for one in inputs]
        if sum(counted) == total:
            return counted
    return None
