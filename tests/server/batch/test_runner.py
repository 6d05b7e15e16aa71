"""The loop of batch work, with a `Send` that does what a test tells it to."""

import asyncio
import random
from collections import Counter

import pytest

from server.batch.base import Answer, BadLine, Fixed, Line
from server.batch.runner import run

OK, BUSY, WRONG = (Answer(status, "req", b"{}") for status in (200, 503, 400))
BROKEN = Answer(502, "req", b"{}", broken=True)
LOADING = Answer(503, "req", b"{}", loading=True)


def lines(count, model="m"):
    return [Line(number, f"id-{number}", "/v1/chat/completions", model, b"{}") for number in range(1, count + 1)]


class Scripted:
    """`says(line, attempt)` is the answer; what was sent and how many at once is noted."""

    def __init__(self, says=lambda line, attempt: OK):
        self.says, self.sent, self.running, self.most = says, Counter(), set(), 0
        self.beside = {}  # line -> those that ran beside it, at its last attempt

    async def __call__(self, line):
        self.sent[line.number] += 1
        self.running.add(line.number)
        self.beside[line.number] = set(self.running) - {line.number}
        self.most = max(self.most, len(self.running))
        try:
            await asyncio.sleep(0)
            said = self.says(line, self.sent[line.number])
            return await said if asyncio.iscoroutine(said) else said
        finally:
            self.running.discard(line.number)


class Kept(list):
    def __call__(self, result):
        self.append(result)

    @property
    def statuses(self):
        return {result.line.number: result.answer.status for result in self if not isinstance(result, BadLine)}


class Clock:
    """Sleeps at once, and notes for how long."""

    def __init__(self):
        self.slept = []

    async def __call__(self, seconds):
        self.slept.append(seconds)
        await asyncio.sleep(0)


async def go(what, send, *, most=8, retries=3, stop=None, window=1024, clock=None):
    kept = Kept()
    totals = await run(
        iter(what), send, Fixed(most), kept, retries=retries, stop=stop or asyncio.Event(),
        rng=random.Random(1), sleep=clock or Clock(), window=window,
    )  # fmt: skip
    return kept, totals


async def test_each_line_is_kept_once():
    kept, totals = await go(lines(500), Scripted())
    assert sorted(kept.statuses) == list(range(1, 501))
    assert len(kept) == totals.ok == 500


async def test_bad_lines_are_kept_and_not_sent():
    bad = BadLine(2, None, "invalid_json_line", "no")
    send = Scripted()
    kept, totals = await go([*lines(1), bad], send)
    assert bad in kept
    assert send.sent == {1: 1}
    assert (totals.ok, totals.failed) == (1, 1)


async def test_no_more_run_at_once_than_the_share_allows():
    send = Scripted()
    await go(lines(100), send, most=5)
    assert send.most == 5


async def test_no_more_is_read_than_the_window():
    read, held = [], asyncio.Event()

    def source():
        for line in lines(100):
            read.append(line.number)
            yield line

    async def waits(line):
        await held.wait()
        return OK

    task = asyncio.create_task(go(source(), waits, most=100, window=10))
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(read) == 11  # one waits for room
    held.set()
    kept, _ = await task
    assert len(kept) == 100


async def test_an_asynchronous_source_is_taken_too():
    async def source():
        for line in lines(3):
            yield line

    kept = Kept()
    await run(source(), Scripted(), Fixed(2), kept, retries=0, stop=asyncio.Event())
    assert sorted(kept.statuses) == [1, 2, 3]


async def test_a_passing_failure_is_tried_again_with_growing_waits():
    clock = Clock()
    kept, totals = await go(lines(1), Scripted(lambda line, attempt: BUSY if attempt < 4 else OK), clock=clock)
    assert kept.statuses == {1: 200}
    assert totals.again == 3
    for wait, longest in zip(clock.slept, (1, 2, 4), strict=True):
        assert longest / 2 <= wait <= longest


async def test_after_the_retries_the_last_answer_is_kept():
    send = Scripted(lambda line, attempt: BUSY)
    kept, totals = await go(lines(1), send, retries=2)
    assert (kept.statuses, send.sent[1], totals.failed) == ({1: 503}, 3, 1)


async def test_a_refusal_is_not_tried_again():
    send = Scripted(lambda line, attempt: WRONG)
    kept, _ = await go(lines(1), send)
    assert (kept.statuses, send.sent[1]) == ({1: 400}, 1)


async def test_retry_after_holds_every_line_of_the_model():
    clock = Clock()
    limited = Answer(429, "req", b"{}", retry_after=30.0)
    kept, _ = await go(lines(4), Scripted(lambda line, attempt: limited if attempt == 1 else OK), most=1, clock=clock)
    assert set(kept.statuses.values()) == {200}
    assert 30.0 in clock.slept


async def test_a_server_that_limits_but_lets_others_through_fails_nobody():
    """Two get through each minute: the last of sixteen is refused more often than `retries`."""
    room = [2]

    async def minute(seconds):
        if seconds == 60.0:
            room[0] = 2
        await asyncio.sleep(0)

    def says(line, attempt):
        room[0] -= 1
        return OK if room[0] >= 0 else Answer(429, "req", b"{}", retry_after=60.0)

    send = Scripted(says)
    kept, _ = await go(lines(16), send, most=16, retries=2, clock=minute)
    assert set(kept.statuses.values()) == {200}
    assert max(send.sent.values()) > 3


async def test_a_server_that_only_refuses_with_429_ends_after_the_retries():
    kept, _ = await go(lines(3), Scripted(lambda line, attempt: Answer(429, "req", b"{}")), retries=2)
    assert set(kept.statuses.values()) == {429}


async def test_waiting_for_an_engine_that_loads_is_no_attempt():
    kept, totals = await go(lines(3), Scripted(lambda line, attempt: LOADING if attempt < 20 else OK), retries=0)
    assert set(kept.statuses.values()) == {200}
    assert totals.again == 0


async def test_while_an_engine_loads_new_lines_are_not_sent_to_it():
    gate = asyncio.Event()

    async def sleeps(seconds):
        await gate.wait()

    send = Scripted(lambda line, attempt: OK if gate.is_set() else LOADING)
    task = asyncio.create_task(go(lines(50), send, most=1, clock=sleeps))
    for _ in range(100):
        await asyncio.sleep(0)
    assert sum(send.sent.values()) <= 3
    gate.set()
    kept, _ = await task
    assert len(kept) == 50


async def test_a_line_whose_exchange_breaks_off_twice_runs_alone():
    send = Scripted(lambda line, attempt: BROKEN if line.number == 5 and attempt <= 2 else OK)
    kept, _ = await go(lines(40), send)
    assert kept.statuses[5] == 200
    assert send.sent[5] == 3
    assert send.beside[5] == set()


async def test_a_poison_line_becomes_an_error_and_its_neighbours_do_not():
    """It breaks everything that runs beside it, as an engine that dies does."""

    def says(line, attempt):
        return BROKEN if line.number == 5 or 5 in send.running or 5 in send.beside[line.number] else OK

    send = Scripted(says)
    kept, totals = await go(lines(40), send, retries=5)
    assert {number for number, status in kept.statuses.items() if status != 200} == {5}
    assert (totals.ok, totals.failed) == (39, 1)


async def test_after_a_stop_what_runs_is_kept_and_nothing_else_begins():
    stop, going = asyncio.Event(), asyncio.Event()

    async def slow():
        await going.wait()
        return OK

    send = Scripted(lambda line, attempt: slow())
    task = asyncio.create_task(go(lines(100), send, most=4, stop=stop))
    while len(send.running) < 4:
        await asyncio.sleep(0)
    stop.set()
    await asyncio.sleep(0)
    going.set()
    kept, _ = await task
    assert len(kept) == 4
    assert sum(send.sent.values()) == 4


@pytest.mark.parametrize("answer", [BUSY, BROKEN, LOADING], ids=["busy", "broken", "loading"])
async def test_after_a_stop_a_line_that_would_be_sent_again_has_no_result(answer):
    stop = asyncio.Event()

    def says(line, attempt):
        stop.set()
        return answer

    send = Scripted(says)
    kept, _ = await go(lines(1), send, stop=stop)
    assert kept == []
    assert send.sent[1] == 1


async def test_a_stop_ends_a_long_wait():
    stop = asyncio.Event()

    async def for_ever(seconds):
        stop.set()
        await asyncio.Event().wait()

    kept, _ = await go(lines(2), Scripted(lambda line, attempt: BUSY), stop=stop, clock=for_ever)
    assert kept == []


async def test_cancelled_it_ends_what_runs():
    send = Scripted(lambda line, attempt: asyncio.Event().wait())
    task = asyncio.create_task(go(lines(10), send))
    while not send.running:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert send.running == set()


async def test_an_input_that_breaks_lets_what_runs_finish():
    kept = Kept()

    def source():
        yield from lines(3)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        await run(source(), Scripted(), Fixed(1), kept, retries=0, stop=asyncio.Event())
    assert sorted(kept.statuses) == [1, 2, 3]


async def test_results_that_cannot_be_kept_end_the_run():
    def keep(result):
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        await run(iter(lines(10)), Scripted(), Fixed(2), keep, retries=0, stop=asyncio.Event())
