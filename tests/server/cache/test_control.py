"""What a request's headers say about the cache."""

from __future__ import annotations

import pytest

from server.cache.control import DEFAULT, Control, control
from server.errors import InvalidRequest


def said(*values: str, **more: str) -> Control:
    headers = [(b"host", b"x"), *((b"cache-control", value.encode()) for value in values)]
    headers += [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in more.items()]
    return control(headers)


def test_without_headers_the_cache_is_read_and_written():
    assert control([]) is DEFAULT
    assert said() == Control(read=True, write=True, only_if_cached=False, max_age=None, namespace="")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("no-cache", Control(read=False)),
        ("No-Cache", Control(read=False)),
        ("no-store", Control(write=False)),
        ("no-cache, no-store", Control(read=False, write=False)),
        ("only-if-cached", Control(only_if_cached=True)),
        ("max-age=60", Control(max_age=60.0)),
        ("max-age=0", Control(max_age=0.0)),
        ('MAX-AGE="60"', Control(max_age=60.0)),
        ("max-age = 60 ,only-if-cached", Control(max_age=60.0, only_if_cached=True)),
        ("max-age=60, max-age=5", Control(max_age=5.0)),
        ("max-age=99999999999999999999", Control(max_age=2.0**31)),
        ("max-stale, min-fresh=5, no-transform, foo=bar, stale-if-error=9", DEFAULT),
        ('foo="no-cache, no-store"', DEFAULT),
        ('foo="a\\"b, no-store", no-cache', Control(read=False)),
        ("not-no-cache, no-caches", DEFAULT),
        (",, ,no-store,", Control(write=False)),
        ("", DEFAULT),
        ("   ", DEFAULT),
    ],
)
def test_directives(value: str, expected: Control):
    assert said(value) == expected


def test_several_headers_are_one_list():
    assert said("no-cache", "no-store") == Control(read=False, write=False)


@pytest.mark.parametrize(
    "value", ["max-age", "max-age=", "max-age=-1", "max-age=1.5", "max-age=abc", "max-age=1e3", 'max-age="', "max-age=\u00b2"]
)
def test_a_bad_max_age_is_a_sentence(value: str):
    with pytest.raises(InvalidRequest, match="write for example max-age=60") as caught:
        said(value)
    assert caught.value.code == "invalid_max_age"


@pytest.mark.parametrize("value", ["shared", "team a", " padded ", "~!", "x" * 128])
def test_a_namespace(value: str):
    assert said(x_sllm_cache_namespace=value) == Control(namespace=value.strip())


@pytest.mark.parametrize("value", ["", "  ", "x" * 129, "caf\u00e9", "a\tb", "a\x00b", "a\x7f"])
def test_a_bad_namespace_is_a_sentence(value: str):
    with pytest.raises(InvalidRequest, match="write 1 to 128 printable ASCII characters") as caught:
        said(x_sllm_cache_namespace=value)
    assert caught.value.code == "invalid_namespace"


def test_two_namespaces_are_refused():
    header = (b"x-sllm-cache-namespace", b"a")
    with pytest.raises(InvalidRequest, match="send it once"):
        control([header, header])


def test_a_namespace_that_is_not_heard_is_not_read():
    assert control([(b"x-sllm-cache-namespace", b"\xff")], namespaces=False) is DEFAULT


def test_a_long_header_costs_its_length():
    assert said("a" * 60_000) == DEFAULT
    assert said(" " * 60_000 + "no-store") == Control(write=False)
    assert said("foo=" + '"\\' * 30_000) == DEFAULT
