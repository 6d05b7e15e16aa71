"""What happened, for the metrics and the log. Runs after every request, answered or not."""

from __future__ import annotations

import time

from server.gateway.access_log import AccessLog
from server.gateway.call import Call
from server.gateway.metrics import Metrics

CLIENT_LEFT = 499  # nginx's number for it; never on the wire


class Record:
    def __init__(self, metrics: Metrics, log: AccessLog | None) -> None:
        self.children = metrics.children
        self.log = log

    def __call__(self, call: Call) -> None:
        elapsed = time.perf_counter() - call.when
        status = CLIENT_LEFT if call.gone else call.status or 500
        count = self.children(call.path, call.target.name if call.target is not None else "unknown", status)
        count.request()
        count.duration(elapsed)
        if call.first:
            count.first_byte(call.first - call.when)
        if call.prompt_tokens:
            count.prompt(call.prompt_tokens)
        if call.completion_tokens:
            count.completion(call.completion_tokens)
        if self.log is not None:
            self.log.add(call, status, elapsed)
