"""What happened, for the metrics and the log. Runs after every request, answered or not."""

from __future__ import annotations

import time

from server.gateway.access_log import AccessLog
from server.gateway.call import Call
from server.gateway.metrics import Metrics

CLIENT_LEFT = 499  # nginx's number for it; never on the wire


class Record:
    def __init__(self, metrics: Metrics, log: AccessLog | None) -> None:
        self.tally = metrics.tally
        self.log = log

    def __call__(self, call: Call) -> None:
        if call.background:
            return  # sllm_batch_* count it
        elapsed = time.perf_counter() - call.when
        status = CLIENT_LEFT if call.gone else call.status or 500
        tally = self.tally(call.path, call.target.name if call.target is not None else "unknown", status)
        tally.requests += 1
        tally.prompt_tokens += call.prompt_tokens
        tally.completion_tokens += call.completion_tokens
        tally.duration(elapsed)
        if call.first:
            tally.first_byte(call.first - call.when)
        if self.log is not None:
            self.log.add(call, status, elapsed)
