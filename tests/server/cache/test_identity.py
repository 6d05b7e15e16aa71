"""Equal keys mean equal requests, however they are written; what is ambiguous has no key."""

from __future__ import annotations

import json
import subprocess
import sys
from random import Random
from typing import Any

import msgspec
import pytest

from server.cache import identity as module
from server.cache.identity import Identity, Origin, Uncacheable, identify, sampled
from server.settings import ROOT
from tests.server.cache import requests
from tests.server.cache.requests import ORIGIN

CHAT = "/v1/chat/completions"


def key(body: bytes | str | dict[str, Any], origin: Origin = ORIGIN, path: str = CHAT) -> bytes:
    data = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    found = identify(path, data, origin)
    assert isinstance(found, Identity), found
    assert len(found.key) == 32
    return found.key


def why(body: bytes | str, path: str = CHAT) -> str:
    found = identify(path, body.encode() if isinstance(body, str) else body, ORIGIN)
    assert isinstance(found, Uncacheable), body
    return found.reason


def test_ten_thousand_pairs_that_differ_in_something_that_matters_share_no_key():
    random = Random(4)
    owners: dict[bytes, str] = {}
    compared = equal = 0
    while compared < 10_000:
        one = requests.request(random)
        other = requests.change(random, *one)
        keys = []
        for path, body, origin in (one, other):
            found = identify(path, requests.write(random, body).encode(), origin)
            keys.append(found.key if isinstance(found, Identity) else None)
            if keys[-1]:
                reference = json.dumps([path, body, [getattr(origin, name) for name in Origin.__struct_fields__]], sort_keys=True)
                assert owners.setdefault(keys[-1], reference) == reference
        compared += None not in keys
        equal += keys[0] is not None and keys[0] == keys[1]
    assert equal == 0
    assert len(owners) > 10_000


def test_two_thousand_requests_written_otherwise_have_the_same_key():
    random = Random(5)
    for _ in range(2_000):
        path, body, origin = requests.request(random)
        keys = {key(requests.write(random, requests.unimportant(random, body)), origin, path) for _ in range(3)}
        assert keys == {key(body, origin, path)}


@pytest.mark.parametrize("field", Origin.__struct_fields__)
def test_every_part_of_the_origin_counts(field: str):
    assert key({"model": "m"}) != key({"model": "m"}, msgspec.structs.replace(ORIGIN, **{field: "other"}))


def test_neighbouring_parts_of_the_origin_do_not_run_together():
    one = msgspec.structs.replace(ORIGIN, tenant="ab", namespace="c")
    other = msgspec.structs.replace(ORIGIN, tenant="a", namespace="bc")
    assert key({"model": "m"}, one) != key({"model": "m"}, other)


@pytest.mark.parametrize("field", ["user", "stream", "stream_options", "metadata"])
def test_what_decides_nothing_is_not_counted(field: str):
    value = {"include_usage": True} if field == "stream_options" else {"a": "b"} if field == "metadata" else True
    assert key({"model": "m", field: value}) == key({"model": "m"})
    assert key({"model": "m", "messages": [{"role": "user", field: value}]}) != key({"model": "m", "messages": [{"role": "user"}]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"seed":9007199254740993}', '{"seed":9007199254740992}'),
        ('{"seed":9007199254740993.0}', '{"seed":9007199254740992.0}'),
        ('{"seed":123456789012345678901234567890}', '{"seed":123456789012345678901234567891}'),
        ('{"seed":18446744073709551616}', '{"seed":"18446744073709551616"}'),
        ('{"t":0.7}', '{"t":"0.7"}'),
        ('{"t":0.1}', '{"t":0.10000000000000001}'),
        ('{"t":1e400}', '{"t":1e401}'),
        ('{"t":1}', '{"t":true}'),
        ('{"t":0}', '{"t":false}'),
        ('{"t":null}', "{}"),
        ('{"t":""}', '{"t":null}'),
        ('{"t":[]}', '{"t":{}}'),
        ('{"t":"\u00e9"}', '{"t":"e\u0301"}'),
        ('{"t":"\uac00"}', '{"t":"\u1100\u1161"}'),
        ('{"t":"A"}', '{"t":"\uff21"}'),
        ('{"t":"a"}', '{"t":"a\u200b"}'),
        ('{"t":"a"}', '{"t":"a\\u0000"}'),
        ('{"a":{"b":1}}', '{"a.b":1}'),
        ('{"t":["ab","c"]}', '{"t":["a","bc"]}'),
        ('{"t":[["a"],"b"]}', '{"t":["a",["b"]]}'),
        ('{"t":[1,[2,3]]}', '{"t":[1,2,[3]]}'),
        ('{"t":"\\\\u0041"}', '{"t":"\\u0041"}'),
        ('{"Temperature":1}', '{"temperature":1}'),
        ('{"user ":"x"}', '{"user":"x"}'),
        ('{"stream\\u0000":true}', "{}"),
    ],
)
def test_tricks_of_writing_do_not_make_different_requests_equal(one: str, other: str):
    assert key(one) != key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":2}', '{ "b" : 2,\n"a":1 }'),
        ('{"t":"A/"}', '{"\\u0074":"\\u0041\\/"}'),
        ('{"t":"🙂"}', '{"t":"\\ud83d\\ude42"}'),
        ('{"m":"x"}', '{"m":"x","us\\u0065r":"ann"}'),
        ('{"n":0}', '{"n":-0}'),
    ],
)
def test_other_ways_to_write_the_same_have_the_same_key(one: str, other: str):
    assert key(one) == key(other)


@pytest.mark.parametrize(
    "body",
    [
        '{"temperature":0,"temperature":1}',
        '{"temperature":0,"t\\u0065mperature":1}',
        '{"messages":[{"role":"user","role":"system"}]}',
        '{"user":"a","user":"b"}',
        '{"stream":true,"stream":false}',
        '{"a":{"b":{"c":1,"c":1}}}',
    ],
)
def test_a_key_twice_has_no_identity(body: str):
    assert why(body) == "the body has a key twice"


@pytest.mark.parametrize("body", ['{"t":NaN}', '{"t":[Infinity]}', '{"t":-Infinity}'])
def test_what_is_no_number_has_no_identity(body: str):
    assert why(body).startswith("the body holds ")


@pytest.mark.parametrize("body", ['{"t":"\\ud800"}', '{"\\udc00":1}', '{"t":["\\ud83d x"]}'])
def test_an_unpaired_surrogate_has_no_identity(body: str):
    assert why(body) == "the body holds a text that is no Unicode"


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b'{"a":1}x', b'{"a":1}{"a":1}', b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\xff"}', b'{"a":"\xc0\xaf"}', b'{"a":"\xed\xa0\x80"}', '{"a":1}'.encode("utf-16"),
        b'{"a":01}', b'{"a":+1}', b'{"a":1.}', b'{"a":.5}', b'{"a":0x1}', b"{'a':1}", b'{"a":1,}', b'{"a":"\n"}', b"/**/{}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_what_is_no_json_has_no_identity(body: bytes):
    assert why(body) == "the body is no JSON (RFC 8259)"


@pytest.mark.parametrize("body", ["[]", '"text"', "1", "null"])
def test_what_is_no_object_has_no_identity(body: str):
    assert why(body) == "the body is no JSON object"


def test_a_number_of_ten_thousand_digits_is_read_at_once():
    assert key('{"seed":%s1}' % ("9" * 10_000)) != key('{"seed":%s2}' % ("9" * 10_000))


def test_deep_nesting_that_can_be_read_has_a_key_or_none_but_raises_nothing():
    for depth in (10, 100, 300, 900, 3_000):
        identify(CHAT, b'{"a":' + b"[" * depth + b"]" * depth + b"}", ORIGIN)


def test_other_routes_have_no_identity():
    assert why("{}", "/v1/rerank") == "/v1/rerank is not cached"


def test_the_route_counts():
    assert key({"model": "m"}, path="/v1/completions") != key({"model": "m"}, path=CHAT)


def test_usage_in_every_chunk_is_not_kept():
    assert "stream_options" in why('{"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}}')
    assert "stream_options" in why('{"stream":true,"stream_options":"yes"}')


@pytest.mark.parametrize("body", [{"prompt_logprobs": 1}, {"prompt_logprobs": 0}, {"echo": True}])
def test_stream_counts_where_the_stream_tells_less(body: dict[str, Any]):
    assert key({**body, "stream": True}) != key(body)
    assert key({**body, "stream": False}) == key(body)


def test_a_completions_echo_has_one_key_unless_it_brings_logprobs():
    path = "/v1/completions"
    assert key({"echo": True, "stream": True}, path=path) == key({"echo": True}, path=path)
    assert key({"echo": True, "logprobs": 0, "stream": True}, path=path) != key({"echo": True, "logprobs": 0}, path=path)


def test_identity_is_the_same_in_another_process():
    code = (
        "from tests.server.cache.requests import ORIGIN; from server.cache.identity import identify;"
        'print(identify(\'/v1/chat/completions\', b\'{"a":[1,0.5,"x"],"b":null}\', ORIGIN).key.hex())'
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env={"PYTHONHASHSEED": "7"}, check=True)
    assert done.stdout.strip() == key('{"b":null,"a":[1,0.5,"x"]}').hex()


def test_remembered_bodies_are_bounded_in_number_and_length():
    assert module._memoised.cache_info().maxsize == 2048
    module._memoised.cache_clear()
    large = {"model": "m", "prompt": "x" * 5_000}
    assert key(large) == key(large)
    assert module._memoised.cache_info().currsize == 0
    assert key({"model": "m"}) == key({"model": "m"})
    assert module._memoised.cache_info().currsize == 1


def test_a_remembered_body_is_not_given_to_another_tenant():
    body = b'{"model":"m"}'
    assert key(body) == key(body)
    assert key(body, msgspec.structs.replace(ORIGIN, tenant="ben")) != key(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, True),
        ({"temperature": None}, True),
        ({"temperature": 0}, False),
        ({"temperature": 0.0}, False),
        ({"temperature": 1e-3}, True),
        ({"temperature": 1}, True),
        ({"temperature": 1, "seed": 0}, False),
        ({"temperature": 1, "seed": None}, True),
        ({"seed": 5}, False),
        ({"temperature": "0"}, True),
        ({"temperature": True}, True),
    ],
)
def test_sampled(body: dict[str, Any], expected: bool):
    found = identify(CHAT, json.dumps(body).encode(), ORIGIN)
    assert isinstance(found, Identity)
    assert found.sampled is expected


def test_embeddings_are_never_sampled():
    assert sampled({"input": "x"}, "embeddings") is False


def test_the_question_is_made_of_what_counts():
    seen = []

    def ask(path: str, fields: Any, origin: Origin) -> None:
        seen.append((path, dict(fields), origin))

    identify(CHAT, b'{"model":"m","user":"ann","stream":true,"metadata":{},"n":2}', ORIGIN, ask)
    assert seen == [(CHAT, {"model": "m", "n": 2}, ORIGIN)]


FRACTIONS = ("top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty")


def simple(random: Random) -> str:
    """A request as most clients write one."""
    fields: dict[str, Any] = {
        "model": "m",
        "messages": [
            {"role": random.choice(["system", "user"]), "content": random.choice(["a", "안녕", 'q"', ":)", "\\"])} for _ in range(2)
        ],
        "temperature": random.choice([0, 0.7, 1.0, 1e-3, None]),
        "seed": random.choice([None, 7, -7, 10**17, 10**18, 2**70]),
        "stream": random.choice([True, False]),
        "user": "u",
        "stop": random.choice([None, "x", ["x"]]),
        "max_tokens": random.choice([1, 1.0, True, None]),
        **{name: random.choice([0, 1.5, -2, None, "x", 2**65, []]) for name in random.sample(FRACTIONS, random.randrange(6))},
        **{name: random.choice([1, None]) for name in ("max_completion_tokens", "top_k", "n", "prompt")},
        "stream_options": random.choice([None, {"include_usage": True}, {"include_usage": False}]),
    }
    kept = random.sample(sorted(fields), random.randrange(2, len(fields) + 1))
    separators = random.choice([(",", ":"), (", ", ": "), (" ,", " :")])
    return json.dumps({name: fields[name] for name in kept}, ensure_ascii=random.random() < 0.5, separators=separators)


def test_the_short_way_gives_the_keys_of_the_long_one(monkeypatch: pytest.MonkeyPatch):
    random = Random(6)
    written = [
        (path, requests.write(random, body).encode(), origin) for path, body, origin in (requests.request(random) for _ in range(2_000))
    ]
    written += [(CHAT, simple(random).encode(), ORIGIN) for _ in range(2_000)]
    assert sum(module._plain(body) is not None for _, body, _ in written) > 500
    short = [module.identify_anew(*one) for one in written]
    monkeypatch.setattr(module, "_plain", lambda body: None)
    assert short == [module.identify_anew(*one) for one in written]


@pytest.mark.parametrize(
    "body",
    [
        '{"model": "m", "max_tokens": 1, "max_tokens" : 2}',
        '{"model": "m", "max_tokens": 1, "max_tokens"\\n: 2}'.replace("\\n", "\n"),
        '{"model": "m", "messages": [{"role": "user", "content": "a", "content" :"b"}]}',
        '{"model": "m", "stream_options": {"include_usage": true, "include_usage" : false}}',
        '{"model": "m", "seed": 1000000000000000000}',
        '{"model": "m", "seed": -100000000000000000}',
        '{"model": "m", "stop": ["a"]}',
        '{"model": "m", "messages": [{"role": "user", "content": ":)", "name": "x"}]}',
        '{"model": "m", "messages": [{"role": "user", "content": "\\":"}]}',
        '{"model": "m", "tools": []}',
        '{"model": "m", "messages": {"role": "user", "content": "a"}}',
    ],
)
def test_the_short_way_leaves_to_the_long_one_what_needs_a_closer_look(body: str):
    assert module._plain(body.encode()) is None


def test_the_short_way_takes_the_requests_that_most_clients_send():
    body = '{"messages":[{"role":"user","content":"안녕 :)"}],"model":"m","temperature":0.7,"stream":true}'
    found = module._plain(body.encode())
    assert found is not None
    assert list(msgspec.msgpack.decode(found[1])) == ["messages", "model", "temperature"]
