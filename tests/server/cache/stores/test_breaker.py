from __future__ import annotations

from server.cache.stores.breaker import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Breaker


class Timers:
    """An event loop's `call_later`, run by hand."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, object]] = []
        self.pings = 0

    def later(self, seconds: float, function: object) -> None:
        self.waiting.append((seconds, function))

    def ping(self) -> None:
        self.pings += 1

    def run(self) -> float:
        seconds, function = self.waiting.pop()
        function()
        return seconds


def test_it_opens_after_failures_in_a_row_and_not_before():
    timers = Timers()
    breaker = Breaker(timers.later, timers.ping)
    for _ in range(FAILURES - 1):
        breaker.failed()
    breaker.succeeded()
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert not breaker.open
    assert timers.waiting == []
    breaker.failed()
    assert breaker.open


def test_open_it_pings_after_a_pause_that_doubles_up_to_a_limit_and_closes_when_answered():
    timers = Timers()
    breaker = Breaker(timers.later, timers.ping)
    for _ in range(FAILURES + 5):  # those that were under way when it opened start nothing more
        breaker.failed()
    assert len(timers.waiting) == 1
    pauses = []
    for _ in range(6):
        pauses.append(timers.run())
        breaker.ping_failed()
    assert pauses[:3] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]
    assert pauses[-1] == LONGEST_PAUSE
    timers.run()
    breaker.ping_succeeded()
    assert not breaker.open
    assert timers.pings == 7
    assert timers.waiting == []


def test_after_it_closed_it_takes_as_many_failures_again():
    timers = Timers()
    breaker = Breaker(timers.later, timers.ping)
    for _ in range(FAILURES):
        breaker.failed()
    breaker.ping_succeeded()
    breaker.failed()
    assert not breaker.open
