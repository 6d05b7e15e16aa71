"""The short call at a running server."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from server.errors import StartError
from server.terminal.ask import get, served_models
from tests.server.terminal.scripted import ScriptedServer


def test_a_server_says_what_it_serves():
    with ScriptedServer(models=("a", "b")) as server:
        assert served_models(server.url) == ["a", "b"]


def test_a_unix_socket_is_asked_too(tmp_path: Path):
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n{"data": [{"id": "chat"}]}'[:-1] + b"}")

        thread = threading.Thread(target=answer)
        thread.start()
        assert get(f"unix:{path}", "/v1/models")[0] == 200
        thread.join()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, None), "wants a key: set OPENAI_API_KEY"),
        ((200, {"data": []}), "serves no model"),
        ((404, {"detail": "x"}), "answered 404 without a list of models"),
        ((200, None), "answered 200 without a list of models"),
    ],
)
def test_an_answer_without_models_says_what_to_do(answer: tuple[int, object], message: str):
    with pytest.raises(StartError, match=message):
        served_models("http://h:1", get=lambda *_, **__: answer)


def test_what_does_not_speak_http_is_an_error_and_no_crash():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(StartError, match="does not speak HTTP"):
            served_models(url)
        thread.join()
