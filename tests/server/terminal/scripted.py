"""A small OpenAI server that answers from a script: each entry is what it does with the next chat request."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Entry = list[Any] | tuple[int, dict[str, Any], dict[str, str]]
"""Pieces to stream (text, {"reasoning": ...}, a number of seconds of silence, None: break off), or an error (status, body, headers)."""


def error(status: int, message: str, code: str | None = None, **headers: str) -> Entry:
    return status, {"error": {"message": message, "type": "server_error", "param": None, "code": code}}, headers


class ScriptedServer:
    """Listens on a free port of loopback while it is entered; `requests` holds the bodies it was sent."""

    def __init__(self, *script: Entry, models: tuple[str, ...] = ("demo", "poet")) -> None:
        self.script = list(script)
        self.models = models
        self.requests: list[dict[str, Any]] = []
        self.left = threading.Event()  # a client went away inside an answer
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self._json(
                    200, {"object": "list", "data": [{"id": m, "object": "model", "created": 0, "owned_by": "t"} for m in owner.models]}
                )

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                owner.requests.append(body)
                entry = owner.script.pop(0) if owner.script else [f"{body['messages'][-1]['content']}!"]
                if isinstance(entry, tuple):
                    self._json(*entry)
                    return
                try:
                    self._stream(entry)
                except (BrokenPipeError, ConnectionResetError):
                    owner.left.set()
                    self.close_connection = True

            def _stream(self, pieces: list[Any]) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                for piece in pieces:
                    if piece is None:
                        self.close_connection = True
                        return
                    if isinstance(piece, int | float):
                        for _ in range(int(piece * 20)):
                            time.sleep(0.05)
                            self.wfile.write(b": still here\n\n")
                    else:
                        self._event([{"index": 0, "delta": {"content": piece} if isinstance(piece, str) else piece, "finish_reason": None}])
                self._event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
                self._event([], {"prompt_tokens": 3, "completion_tokens": len(pieces), "total_tokens": 3 + len(pieces)})
                self.wfile.write(b"data: [DONE]\n\n")
                self.close_connection = True

            def _event(self, choices: list[Any], usage: dict[str, int] | None = None) -> None:
                chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "demo", "choices": choices, "usage": usage}
                self.wfile.write(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode())

            def _json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(data)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.http.shutdown()
        self.http.server_close()
