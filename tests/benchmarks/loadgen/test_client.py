import asyncio
import shutil
import ssl
import subprocess

import pytest

from benchmarks.errors import BenchError
from benchmarks.loadgen.client import SLICE, Client, ask
from benchmarks.loadgen.connection import Connection
from benchmarks.loadgen.failures import NoAnswer, failure_of
from benchmarks.loadgen.target import Target, parse
from benchmarks.processes import free_port
from tests.scripted import Scripted, json_answer

ONE = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def raw(*writes, close=False):
    async def script(request, reply):
        for data in writes:
            await reply.raw(data)
        if close:
            reply.close()

    return script


@pytest.fixture
async def server():
    async with Scripted() as scripted:
        yield scripted


async def test_a_question_gets_status_and_body(server):
    server.script = json_answer({"data": []}, 404)
    assert await ask(parse(server.url), "GET", "/v1/models") == (404, b'{"data": []}')


async def test_a_question_with_a_body_sends_it_under_the_prefix_with_the_key(server):
    await ask(parse(server.url + "/team/v1", api_key="sk-1"), "POST", "/tokenize", b'{"prompt": "a"}')
    request = server.requests[0]
    assert (request.method, request.path, request.json) == ("POST", "/team/tokenize", {"prompt": "a"})
    assert (request.headers["authorization"], request.headers["content-type"]) == ("Bearer sk-1", "application/json")


async def test_proxies_of_the_environment_are_not_asked(server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await ask(parse(server.url), "GET", "/health"))[0] == 200


async def test_a_unix_socket_is_asked_alike(tmp_path):
    async with Scripted(json_answer([1]), unix=str(tmp_path / "s")) as scripted:
        assert await ask(parse(scripted.url), "GET", "/health") == (200, b"[1]")


@pytest.mark.parametrize(
    ("writes", "close", "answer"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\nuntil ", b"the end"], True, (200, b"until the end")),
        ([b"HTTP/1.0 200 OK\r\n\r\nold"], True, (200, b"old")),
        ([CHUNKED + b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nx-trailer: 1\r\n\r\n"], False, (200, b"abc")),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + ONE], False, (200, b"1")),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], False, (204, b"")),
        ([bytes([byte]) for byte in ONE], False, (200, b"1")),
    ],
)
async def test_every_framing_of_http_is_read(server, writes, close, answer):
    server.script = raw(*writes, close=close)
    assert await ask(parse(server.url), "GET", "/") == answer


@pytest.mark.parametrize(
    ("writes", "failure"),
    [
        ([b"220 mail ready\r\n"], "not HTTP"),
        ([b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000], "not HTTP"),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab"], "connection lost"),
        ([], "connection lost"),
    ],
)
async def test_what_is_no_whole_answer_is_told_in_a_sentence(server, writes, failure):
    server.script = raw(*writes, close=True)
    with pytest.raises(NoAnswer, match=failure) as error:
        await ask(parse(server.url), "GET", "/")
    assert error.value.failure == failure


async def test_a_reset_is_told(server):
    async def script(request, reply):
        reply.reset()

    server.script = script
    with pytest.raises(NoAnswer) as error:
        await ask(parse(server.url), "GET", "/")
    assert error.value.failure in ("connection reset", "connection lost")


async def test_a_server_that_is_silent_is_waited_for_no_longer_than_asked(server):
    server.script = raw()
    with pytest.raises(NoAnswer, match=r"no answer in time \(0.05 s for /health\)"):
        await ask(parse(server.url), "GET", "/health", timeout=0.05)


@pytest.mark.parametrize(
    ("target", "failure"),
    [(Target("127.0.0.1", free_port()), "connection refused"), (Target(unix="/nowhere/s"), "no such socket")],
)
async def test_nothing_that_listens_is_told_with_what_to_check(target, failure):
    with pytest.raises(BenchError, match=f"{failure}.*Check that it runs"):
        await ask(target, "GET", "/health")


async def test_a_host_that_cannot_be_one_is_told():
    with pytest.raises(NoAnswer, match="is not known"):
        await ask(Target("a" * 70, 80), "GET", "/health")


def test_every_failure_of_a_connection_has_a_class():
    assert failure_of(OSError(24, "Too many open files")) == ("no connection", "[Errno 24] Too many open files")
    assert failure_of(TimeoutError("slow"))[0] == "no connection in time"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1, signed by itself."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = [
        "-days",
        "2",
        "-subj",
        "/CN=here",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        folder / "key",
        "-out",
        folder / "cert",
    ]
    subprocess.run(["openssl", "req", "-x509", *key, *files], check=True, capture_output=True)
    return folder


@pytest.fixture
async def secure(certificate):
    """The port of a TLS server that answers every request with a 1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert", certificate / "key")

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\n1")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    asyncio.get_running_loop().set_exception_handler(lambda loop, told: None)  # a refused handshake is told to the loop
    yield server.sockets[0].getsockname()[1]
    server.close()
    await asyncio.sleep(0)


async def test_a_certificate_that_the_system_trusts_is_accepted(secure, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert"))
    assert await ask(parse(f"https://127.0.0.1:{secure}"), "GET", "/health") == (200, b"1")


async def test_a_certificate_that_it_does_not_trust_is_told_with_what_to_do(secure):
    with pytest.raises(NoAnswer, match=r"not trusted .*self-signed.*SSL_CERT_FILE"):
        await ask(parse(f"https://127.0.0.1:{secure}"), "GET", "/health")


async def test_a_certificate_of_another_name_is_not_trusted(secure, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert"))
    with pytest.raises(NoAnswer, match="not trusted"):
        await ask(parse(f"https://localhost:{secure}"), "GET", "/health")


async def test_https_to_a_server_without_it_is_told():
    async def serve(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    with pytest.raises(NoAnswer, match="is it an http:// address"):
        await ask(Target("127.0.0.1", server.sockets[0].getsockname()[1], tls=True), "GET", "/health")
    server.close()


class Heard:
    """An exchange that notes what it is told."""

    def __init__(self):
        self.holder, self.resent, self.told = None, False, []

    def written(self, now):
        pass

    def head(self, status, headers):
        pass

    def body(self, now, data):
        self.told.append((now, data))

    def end(self, now, failure):
        self.told.append((now, failure))


async def test_what_arrives_is_stamped_before_anything_is_parsed():
    times = iter([0.0, 1.0, 2.0])
    client = Client(Target(), pytest.fail, clock=lambda: next(times))
    connections = [Connection(client), Connection(client)]
    heard = [Heard(), Heard()]
    for connection, exchange in zip(connections, heard, strict=True):
        connection.exchange = exchange
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na")
    assert [exchange.told for exchange in heard] == [[], []]
    await asyncio.sleep(0)
    assert [exchange.told for exchange in heard] == [[(1.0, b"a")], [(2.0, b"a")]]


async def test_sockets_are_looked_at_between_slices_of_parsing():
    client = Client(Target(), pytest.fail)
    connection = Connection(client)
    connection.exchange = exchange = Heard()
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n")
    for _ in range(SLICE):
        connection.data_received(b"a")
    await asyncio.sleep(0)
    assert len(exchange.told) == SLICE - 1
    await asyncio.sleep(0)
    assert len(exchange.told) == SLICE


async def test_a_request_that_met_a_closed_connection_takes_a_new_one_and_no_other_kept_one(server):
    """Each connection answers once and closes without a word when it is used again, as all do when the server's patience is over."""
    used = set()

    async def script(request, reply):
        if reply.writer in used:
            reply.close()
            return
        used.add(reply.writer)
        await reply.json([1])

    class Waited(Heard):
        def __init__(self):
            super().__init__()
            self.ended = asyncio.get_running_loop().create_future()

        def end(self, now, failure):
            self.ended.set_result(failure)

    server.script = script
    client = Client(parse(server.url), pytest.fail)
    head = client.target.head("GET", "/", 0)
    first = [Waited() for _ in range(3)]
    for exchange in first:
        client.send(exchange, head)
    await asyncio.gather(*[exchange.ended for exchange in first])
    assert len(client.idle) == 3
    again = Waited()
    client.send(again, head)
    assert await again.ended is None
    assert (server.connections, again.resent) == (4, True)
    client.close()


async def test_an_exchange_that_fails_is_told_and_hangs_nobody(server):
    class Broken(Heard):
        def body(self, now, data):
            raise KeyError("a bug")

    told = asyncio.get_running_loop().create_future()
    client = Client(parse(server.url), told.set_result)
    client.send(Broken(), client.target.head("GET", "/", 0))
    assert isinstance(await asyncio.wait_for(told, 5), KeyError)
    client.close()
