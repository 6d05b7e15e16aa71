"""A Hugging Face hub of a few repositories on loopback: the routes that a snapshot download takes, and its refusals."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c" * 40
Files = dict[str, bytes]


class Hub:
    """`repos` maps an id to its files; `gated` and `private` ids are refused as the hub refuses them."""

    def __init__(self, repos: dict[str, Files], gated: tuple[str, ...] = (), claimed: dict[str, int] | None = None):
        self.repos, self.gated, self.claimed = repos, gated, claimed or {}
        self.served: list[str] = []
        self.url = ""


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: object) -> None:
            pass

        def send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def refuse(self, status: int, code: str) -> None:
            self.send(status, b"{}", x_error_code=code, x_error_message=code, content_type="application/json")

        def do_GET(self) -> None:
            parts = self.path.split("?")[0].strip("/").split("/")
            api = parts[:2] == ["api", "models"]
            if api:
                parts = parts[2:]
            repo = "/".join(parts[:2])
            if repo in hub.gated:
                return self.refuse(403, "GatedRepo")
            if repo not in hub.repos:
                return self.refuse(401, "RepoNotFound")
            if api:
                return self.api(repo, parts[2:])
            revision, name = parts[3], "/".join(parts[4:])
            if revision not in ("main", COMMIT):
                return self.refuse(404, "RevisionNotFound")
            body = hub.repos[repo].get(name)
            if body is None:
                return self.refuse(404, "EntryNotFound")
            if self.command == "GET":
                hub.served.append(name)
            etag = hashlib.sha1(body).hexdigest()
            self.send(200, body, x_repo_commit=COMMIT, etag=f'"{etag}"', content_type="application/octet-stream")

        do_HEAD = do_GET

        def api(self, repo: str, rest: list[str]) -> None:
            files = hub.repos[repo]
            if len(rest) > 1 and rest[1] not in ("main", COMMIT):
                return self.refuse(404, "RevisionNotFound")
            sizes = {name: hub.claimed.get(name, len(body)) for name, body in files.items()}
            if rest[:1] == ["tree"]:
                found = [{"type": "file", "path": n, "size": s, "oid": hashlib.sha1(files[n]).hexdigest()} for n, s in sizes.items()]
                return self.send(200, json.dumps(found).encode(), content_type="application/json")
            siblings = [{"rfilename": name, "size": size} for name, size in sizes.items()]
            info = {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings, "private": False, "gated": False, "tags": []}
            self.send(200, json.dumps(info).encode(), content_type="application/json")

    return Handler


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
