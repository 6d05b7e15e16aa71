"""Random requests, and changes to them: such as matter, and such as do not. Everything follows the generator passed in."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

from server.cache.identity import Origin

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings")
WORDS = [
    "capital",
    "of",
    "Korea",
    "서울",
    "켜다",
    "끄다",
    "é",
    "e\u0301",
    "no",
    "yes",
    "1",
    "10",
    " ",
    "\n",
    "\u200b",
    '"',
    "\\",
    "🙂",
    "A",
    "a",
]
NUMBERS: list[Any] = [0, 1, -1, 2, 7, 2**31, 2**53, 2**53 + 1, 2**63, 10**30, 0.0, 0.5, 0.7, 1.0, 1e-9, 1e300, True, False, None]
ORIGIN = Origin("ann", "", "m", "w1", "", "t1", "vllm-0.32.0", "", "p1")


def text(random: Random) -> str:
    return "".join(random.choices(WORDS, k=random.randrange(1, 6)))


def request(random: Random) -> tuple[str, dict[str, Any], Origin]:
    """A route, a body, and where it comes from."""
    path = random.choice(PATHS)
    body: dict[str, Any] = {"model": random.choice(["m", "n"])}
    if path == "/v1/chat/completions":
        body["messages"] = [
            {"role": random.choice(["system", "user", "assistant"]), "content": _content(random)} for _ in range(random.randrange(1, 4))
        ]
    elif path == "/v1/responses":
        body["input"] = text(random) if random.random() < 0.5 else [{"role": "user", "content": text(random)}]
    else:
        body["prompt" if path == "/v1/completions" else "input"] = [text(random) for _ in range(random.randrange(1, 4))]
    options = {
        "temperature": [0, 0.0, 0.5, 1],
        "seed": [1, 2, 2**53, 2**53 + 1],
        "max_tokens": [1, 2, 64],
        "n": [1, 2],
        "stop": ["a", ["a"], ["a", "b"]],
        "logit_bias": [{"5": 1}, {"5": -1}],
        "tools": [
            [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "number"}}}}}]
        ],
        "response_format": [{"type": "json_object"}, {"type": "text"}],
        "vllm_own": [[1, [2, [3]]], {"a": {"b": None}}],
    }
    for name in random.sample(sorted(options), random.randrange(0, 5)):
        body[name] = random.choice(options[name])
    return path, body, ORIGIN


def _content(random: Random) -> Any:
    return text(random) if random.random() < 0.8 else [{"type": "text", "text": text(random)}]


def change(random: Random, path: str, body: dict[str, Any], origin: Origin) -> tuple[str, dict[str, Any], Origin]:
    """The same with one thing changed that decides the answer."""
    body = copy.deepcopy(body)
    way = random.random()
    if way < 0.1:
        return path, body, _elsewhere(random, origin)
    if way < 0.13:
        return random.choice([other for other in PATHS if other != path]), body, origin
    if way < 0.25:
        body[random.choice(["top_k", "unknown", "Seed", "cache_salt", "x" * random.randrange(1, 9)])] = random.choice(
            [*NUMBERS[:-1], "0", [], {}]
        )
        return path, body, origin
    places = list(_places(body))
    holder, name = random.choice(places)
    value = holder[name]
    if way < 0.35:
        del holder[name]
    elif way < 0.45 and isinstance(holder, dict):
        holder[name + random.choice(["_", "\u0000", " ", "1"])] = holder.pop(name)
    elif way < 0.55:
        holder[name] = [value]
    elif isinstance(value, str):
        holder[name] = _other_text(random, value)
    elif isinstance(value, bool) or value is None:
        holder[name] = random.choice([0, 1, "", not value])
    elif isinstance(value, int | float):
        holder[name] = random.choice([value + 1, -value - 1, str(value), [], None, {"": value}])
    elif isinstance(value, list):
        holder[name] = random.choice([[*value, None], [*value, *value, 0], {"0": value}, [value, value]])
    else:
        holder[name] = {**value, "more": 0}
    return path, body, origin


def _elsewhere(random: Random, origin: Origin) -> Origin:
    values = dict(zip(Origin.__struct_fields__, (getattr(origin, name) for name in Origin.__struct_fields__), strict=True))
    one, other = random.sample(sorted(values), 2)
    if random.random() < 0.5 and values[one]:  # a character that crosses from one field into its neighbour
        values[one], values[other] = values[one][:-1], values[one][-1] + values[other]
    else:
        values[one] += random.choice(["2", " ", "\u0000", "|"])
    return Origin(**values)


def _other_text(random: Random, value: str) -> str:
    place = random.randrange(len(value) + 1)
    ways = [value[:place] + random.choice(WORDS) + value[place:], value + " ", " " + value, value + "\u0000"]
    if value:
        ways += [value[:-1], value[:place] + "?" + value[place + 1 :] + "!"]
    if value.swapcase() != value:
        ways.append(value.swapcase())
    return random.choice(ways)


def _places(value: Any) -> Any:
    """Every (holder, name) below `value`."""
    for name in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, name
        if isinstance(value[name], dict | list):
            yield from _places(value[name])


def write(random: Random, value: Any) -> str:
    """`value` as JSON in one of the many ways to write it: order of keys, white space, escapes."""
    space = lambda: random.choice(["", "", " ", "\n", "\t "])  # noqa: E731
    if isinstance(value, dict):
        items = list(value.items())
        random.shuffle(items)
        return "{" + ",".join(f"{space()}{write(random, k)}{space()}:{space()}{write(random, v)}" for k, v in items) + space() + "}"
    if isinstance(value, list):
        return "[" + ",".join(space() + write(random, item) + space() for item in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(_written(random, one) for one in value) + '"'
    return json.dumps(value)


def _written(random: Random, one: str) -> str:
    if random.random() < 0.2:
        units = one.encode("utf-16-be")
        return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
    return json.dumps(one, ensure_ascii=random.random() < 0.5)[1:-1]


def unimportant(random: Random, body: dict[str, Any]) -> dict[str, Any]:
    """`body` with what does not decide the answer."""
    more = {
        "user": random.choice(["ann", "ben", None]),
        "stream": random.choice([True, False, None]),
        "stream_options": random.choice([None, {"include_usage": True}, {"include_usage": False}, {}]),
        "metadata": random.choice([None, {"order": str(random.random())}]),
    }
    return {**body, **{name: more[name] for name in random.sample(sorted(more), random.randrange(1, 5))}}
