"""One JSON line a request on stderr, written in batches: a system call for each would be felt."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from server.gateway.call import Call

FULL = 512  # lines after which a batch does not wait for the tick


class AccessLog:
    """Lines such as

        {"time":"2026-01-31T12:00:00.250Z","id":"req_1","method":"POST","path":"/v1/chat/completions","model":"demo",
         "stream":true,"client":"10.0.0.7","status":200,"ms":812.4,"first_ms":31.2,"prompt_tokens":12,"completion_tokens":80}

    `ms` and `first_ms` are milliseconds from the request's headers to the answer's end and first byte. Status 499: the
    client left before the end, with "disconnected":true. "error" is the code of the error that was answered;
    "guards" tells those that had something to say.
    """

    def __init__(self, write: Callable[[bytes], object], clock: Callable[[], float] = time.time) -> None:
        self.write = write
        self.clock = clock
        self.lines: list[str] = []
        self._second = 0
        self._text = ""
        self._same: dict[tuple[str, str, str | None, bool, str | None], str] = {}

    def add(self, call: Call, status: int, elapsed: float) -> None:
        """`elapsed` in seconds."""
        now = self.clock()
        second = int(now)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        client = call.scope["client"]
        name = call.target.name if call.target is not None else call.model and call.model[:100]
        key = (call.scope["method"], call.path, name, call.stream, client and client[0])
        line = (
            f'{{"time":"{self._text}.{int((now - second) * 1000):03d}Z","id":"{call.request_id.decode()}",'
            f'{self._same.get(key) or self._remember(key)},"status":{status},"ms":{elapsed * 1000:.3f}'
        )
        if call.first:
            line += f',"first_ms":{(call.first - call.when) * 1000:.3f}'
        if call.prompt_tokens:
            line += f',"prompt_tokens":{call.prompt_tokens},"completion_tokens":{call.completion_tokens}'
        if call.cache is not None:
            line += f',"cache":"{call.cache[1].decode()}"'
        if call.screening is not None and (said := call.screening.trail.told_of()):
            line += f',"guards":{json.dumps(said)}'
        if call.error_code:
            line += f',"error":{json.dumps(call.error_code)}'
        self.lines.append(line + (',"disconnected":true}\n' if call.gone else "}\n"))
        if len(self.lines) >= FULL:
            self.flush()

    def flush(self) -> None:
        if self.lines:
            lines, self.lines = self.lines, []
            self.write("".join(lines).encode())

    def _remember(self, key: tuple[str, str, str | None, bool, str | None]) -> str:
        """The fields that many requests share, as JSON without braces."""
        method, path, model, stream, client = key
        shared = {"method": method, "path": path, "model": model, "stream": stream or None, "client": client}
        text = json.dumps({k: v for k, v in shared.items() if v is not None}, ensure_ascii=False, separators=(",", ":"))[1:-1]
        if len(self._same) >= 1024:
            self._same.clear()
        self._same[key] = text
        return text
