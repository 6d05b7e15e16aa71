import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.target import Target, parse


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:8000", Target("127.0.0.1", 8000)),
        ("http://127.0.0.1:8000/", Target("127.0.0.1", 8000)),
        ("http://127.0.0.1:8000/v1", Target("127.0.0.1", 8000)),
        ("http://127.0.0.1:8000/v1/", Target("127.0.0.1", 8000)),
        ("http://host/team/a/v1", Target("host", 80, prefix="/team/a")),
        ("http://host:1/team", Target("host", 1, prefix="/team")),
        ("https://host", Target("host", 443, tls=True)),
        ("https://host:8443/v1", Target("host", 8443, tls=True)),
        ("http://[::1]:8000", Target("::1", 8000)),
        ("unix:/run/engine.sock", Target(unix="/run/engine.sock")),
        ("unix:///run/engine.sock", Target(unix="/run/engine.sock")),
        ("  http://host:1  ", Target("host", 1)),
    ],
)
def test_an_address_is_read_as_a_user_writes_it(url, target):
    assert parse(url) == target


@pytest.mark.parametrize(
    "url",
    ["", "host:8000", "ftp://host", "http://", "http://host:99999", "http://host:no", "http://host:0", "unix:", "unix:/", "http://[::1",
     "http://me:secret@host", "http://host/?a=b", "http://host/#a", "http://host/é", "http://host/a b"],
)  # fmt: skip
def test_what_is_no_address_says_how_one_is_written(url):
    with pytest.raises(BenchUsageError, match=r"http://HOST:PORT|%XX"):
        parse(url)


def test_a_key_that_no_header_may_carry_is_refused():
    with pytest.raises(BenchUsageError, match="API key"):
        parse("http://host", api_key="sk-1\r\nx: y")


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (Target("a", 80), "a"),
        (Target("a", 443), "a:443"),
        (Target("a", 443, tls=True), "a"),
        (Target("::1", 8000), "[::1]:8000"),
        (Target(unix="/a"), "localhost"),
    ],
)
def test_the_host_header_is_as_clients_write_it(target, host):
    assert target.authority == host


def test_a_head_carries_the_prefix_the_key_and_the_other_headers():
    head = Target("h", 1, prefix="/p", api_key="sk-1", headers=(("cache-control", "no-store"),)).head("POST", "/v1/completions", 7)
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /p/v1/completions HTTP/1.1"
    assert {"host: h:1", "authorization: Bearer sk-1", "cache-control: no-store", "content-length: 7"} <= set(lines)
    assert lines[-2:] == ["", ""]


def test_a_get_without_a_body_names_none():
    head = Target("h", 1).head("GET", "/v1/models", 0)
    assert b"content-" not in head
    assert b"authorization" not in head
