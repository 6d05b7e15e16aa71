"""Stands in for vLLM's server where a test is about time and faults: a few routes on a Unix socket, and faults by name.

    python fake_engine.py SOCKET [FAULT...]

Faults: `crash` ends with a log at start; `deaf` never listens; `stall` answers /health and /metrics only; `stubborn`
ignores SIGTERM; `family` starts a process of its own in a session of its own; `once:FILE:FAULT` has FAULT only while
FILE does not exist, and makes it; `figures` logs a KV cache as vLLM does.
"""

import json
import signal
import socketserver
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

FAULTS = set(sys.argv[2:])
TOKENS = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "unix"

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        answers = {
            "/health": b"",
            "/metrics": f'vllm:iteration_tokens_total_count{{engine="0"}} {TOKENS}\n'.encode(),
            "/v1/models": json.dumps({"data": [{"id": "m", "max_model_len": 77}]}).encode(),
            "/version": b'{"version": "0.0.fake"}',
        }
        self.answer(answers[self.path])

    def do_POST(self) -> None:
        global TOKENS
        self.rfile.read(int(self.headers["content-length"]))
        if "stall" in FAULTS:
            time.sleep(3600)
        TOKENS += 1
        self.answer(b"{}")


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def main() -> None:
    for fault in list(FAULTS):
        if fault.startswith("once:"):
            _, file, name = fault.split(":")
            if not Path(file).exists():
                Path(file).touch()
                FAULTS.add(name)
    if "figures" in FAULTS:
        print(
            "INFO CPU KV cache size: 500,000 tokens, Maximum concurrency for 2,048 tokens per request: 244.14x", file=sys.stderr, flush=True
        )
    if "crash" in FAULTS:
        print("ValueError: something that no table knows", file=sys.stderr)
        raise SystemExit(3)
    if "stubborn" in FAULTS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if "family" in FAULTS:
        child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        print("child", child.pid, flush=True)
    if "deaf" in FAULTS:
        time.sleep(3600)
    Server(sys.argv[1], Handler).serve_forever()


if __name__ == "__main__":
    main()
