import asyncio
import itertools
import json
import math

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.generator import run_level
from benchmarks.loadgen.records import Load, Request
from benchmarks.loadgen.target import Target, parse
from benchmarks.processes import free_port
from tests.scripted import DONE, SSE_HEAD, USAGE, Scripted, event, json_answer, talks

CHAT = "/v1/chat/completions"


def prompts(count=1):
    return [
        Request(CHAT, json.dumps({"stream": True, "number": i, "stream_options": {"include_usage": True}}).encode(), 5, 3, f"g{i}")
        for i in range(count)
    ]


def closed(concurrency, requests=None, seconds=None):
    return Load("closed", concurrency=concurrency, requests=requests, seconds=seconds)


async def level(target, load, *, requests=None, seed=0, timeout=10.0, **more):
    target = parse(target.url) if isinstance(target, Scripted) else target
    return await run_level(target, requests or prompts(), load, seed=seed, timeout=timeout, **more)


def errors(found):
    return [record.error for record in found.records]


@pytest.fixture
async def server():
    async with Scripted(talks("a", "b", "c")) as scripted:
        yield scripted


def breaks_off(after, how):
    """A stream of `after` events, then the connection ends by `how` (close or reset)."""

    async def script(request, reply):
        await reply.raw(SSE_HEAD)
        for _ in range(after):
            await reply.chunk(event("a"))
        getattr(reply, how)()

    return script


# what is sent


async def test_a_closed_loop_sends_exactly_what_is_wanted(server):
    found = await level(server, closed(4, 10))
    assert (errors(found), len(server.requests), found.partial) == ([None] * 10, 10, None)
    assert [record.index for record in found.records] == list(range(10))


async def test_requests_are_taken_in_order_and_again_from_the_start(server):
    found = await level(server, closed(1, 5), requests=prompts(2))
    assert [request.json["number"] for request in server.requests] == [0, 1, 0, 1, 0]
    assert [record.group for record in found.records] == ["g0", "g1", "g0", "g1", "g0"]


async def test_a_record_holds_what_its_request_was_and_what_came(server):
    record = (await level(server, closed(1, 1))).records[0]
    assert (record.input_tokens, record.output_limit, record.status, record.text) == (5, 3, 200, "abc")
    assert (record.prompt_tokens, record.completion_tokens, record.finish_reason) == (5, 3, "stop")
    assert len(record.times) == 5
    assert record.scheduled == record.sent <= record.written <= record.first <= record.first_content <= record.last <= record.end


async def test_connections_are_kept_and_no_more_than_are_needed(server):
    await level(server, closed(3, 30))
    assert server.connections == 3


async def test_never_more_are_open_than_the_concurrency(server):
    open_now, most = 0, 0

    async def script(request, reply):
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.001)
        open_now -= 1
        await talks("a")(request, reply)

    server.script = script
    await level(server, closed(5, 40))
    assert most == 5


async def test_fewer_requests_than_places_end_too(server):
    assert errors(await level(server, closed(8, 3))) == [None] * 3


async def test_a_closed_loop_by_time_ends_with_what_is_open(server):
    milliseconds = itertools.count()  # a clock that goes on by one at each look
    found = await level(server, closed(2, seconds=0.2), clock=lambda: next(milliseconds) / 1000)
    assert len(found.records) > 2
    assert set(errors(found)) == {None}
    assert max(record.sent for record in found.records) <= 0.202


async def test_an_open_loop_sends_all_at_its_arrivals(server):
    found = await level(server, Load("open", rate=500, requests=20))
    assert errors(found) == [None] * 20
    scheduled = [record.scheduled for record in found.records]
    assert scheduled == sorted(scheduled)
    assert scheduled[-1] == pytest.approx(20 / 500)
    assert all(record.sent >= record.scheduled for record in found.records)


async def test_an_open_loop_by_time_sends_what_was_due_in_it(server):
    found = await level(server, Load("open", rate=500, seconds=0.05))
    assert found.records
    assert all(record.scheduled < 0.05 for record in found.records)


async def test_an_open_loop_does_not_wait_for_answers(server):
    everyone = asyncio.Event()

    async def script(request, reply):
        if len(server.requests) == 12:
            everyone.set()
        await everyone.wait()
        await talks("a")(request, reply)

    server.script = script
    assert errors(await level(server, Load("open", rate=1000, requests=12))) == [None] * 12


async def test_a_rate_of_inf_sends_all_at_once(server):
    found = await level(server, Load("open", rate=math.inf, requests=9))
    assert {record.scheduled for record in found.records} == {0.0}
    assert server.connections == 9


async def test_a_cap_holds_arrivals_back_and_they_keep_their_time(server):
    found = await level(server, Load("open", rate=math.inf, requests=6, concurrency=2))
    assert (errors(found), server.connections) == ([None] * 6, 2)
    assert {record.scheduled for record in found.records} == {0.0}
    ends = sorted(record.end for record in found.records)
    assert all(record.sent >= ends[record.index - 2] for record in found.records[2:])


async def test_arrivals_that_the_cap_held_until_the_end_are_counted(server):
    gate = asyncio.Event()
    server.script = talks("a", "b", gate=gate)

    def on_progress(progress):
        if progress.seconds > 0.05:
            gate.set()

    found = await level(server, Load("open", rate=1000, seconds=0.05, concurrency=1), on_progress=on_progress)
    assert len(found.records) == 1
    assert found.unsent > 0


@pytest.mark.parametrize(
    "load",
    [
        Load("closed", requests=1),
        closed(0, 1),
        closed(1),
        closed(1, 0),
        closed(1, seconds=0),
        closed(1, seconds=math.inf),
        Load("open", requests=1),
        Load("open", rate=0, requests=1),
        Load("open", rate=-1, requests=1),
        Load("open", rate=math.nan, requests=1),
        Load("open", rate=math.inf, seconds=1),
        Load("open", rate=1, requests=1, burstiness=0),
    ],
)
async def test_a_load_that_cannot_be_is_refused(load):
    with pytest.raises(BenchUsageError):
        await level(Target(port=1), load)


async def test_an_empty_prompt_set_is_refused():
    with pytest.raises(BenchUsageError, match="no requests"):
        await run_level(Target(port=1), [], closed(1, 1), seed=0, timeout=1)


# the clock


async def test_an_events_time_is_that_of_its_read_whatever_is_parsed_before_it(server):
    """With a clock that counts its readings, all events of one read have one reading."""

    async def script(request, reply):
        await reply.raw(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + event("a") * 50 + DONE)
        reply.close()

    server.script = script
    ticks = itertools.count()
    found = await level(server, closed(1, 1), clock=lambda: float(next(ticks)))
    record = found.records[0]
    assert len(record.times) == 50
    assert len(set(record.times)) == 1


async def test_progress_ends_with_the_whole_level(server):
    told = []
    await level(server, closed(2, 6), on_progress=told.append)
    last = told[-1]
    assert (last.sent, last.done, last.open, last.failed, last.wanted, last.limit) == (6, 6, 0, 0, 6, None)
    assert last.output_tokens == 6 * 3  # what usage says, not the five events of each


async def test_an_exception_of_the_display_ends_the_level(server):
    def on_progress(progress):
        raise KeyError("display")

    with pytest.raises(KeyError):
        await level(server, closed(2, 6), on_progress=on_progress)


async def test_the_generators_own_delay_is_told(server):
    delay = (await level(server, closed(1, seconds=0.05))).delay
    assert 0 < delay.loop_p50 <= delay.loop_p99 <= delay.loop_max
    assert 0 < delay.send_p50 <= delay.send_p99 <= delay.send_max
    assert delay.cpu > 0


# faults


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("after", [0, 2])
async def test_a_stream_that_is_cut_ended_early(server, how, after):
    server.script = breaks_off(after, how)
    found = await level(server, closed(2, 4))
    assert set(errors(found)) <= {"ended early", "connection reset"}
    assert len(found.records) == 4
    assert {len(record.times) for record in found.records} <= {0, after}


async def test_a_failure_is_counted_and_the_rest_goes_on(server):
    answers = itertools.cycle([talks("a"), json_answer({"error": {"message": "busy"}}, 503, "retry-after: 3\r\n"), breaks_off(1, "close")])

    async def script(request, reply):
        await next(answers)(request, reply)

    server.script = script
    told = []
    found = await level(server, closed(1, 9), on_progress=told.append)
    assert errors(found) == [None, "status 503", "ended early"] * 3
    assert found.records[1].detail == "busy (retry-after: 3)"
    assert (told[-1].done, told[-1].failed, found.partial) == (9, 6, None)


async def test_a_server_that_only_refuses_is_asked_to_the_end(server):
    server.script = json_answer({"error": {"message": "busy"}}, 503)
    found = await level(server, closed(2, 50))
    assert (errors(found), found.partial) == (["status 503"] * 50, None)


async def test_a_late_answer_is_cut_off_and_the_server_sees_it(server):
    async def script(request, reply):
        await reply.raw(SSE_HEAD)
        await reply.chunk(event("a"))
        await asyncio.sleep(60)

    server.script = script
    found = await level(server, closed(1, 2), timeout=0.05)
    assert errors(found) == ["no answer in time"] * 2
    assert found.records[0].detail == "0.05 s are over, 1 events came"
    await asyncio.wait_for(server.closed.wait(), 5)


async def test_a_kept_connection_that_the_server_closed_is_no_failure(server):
    found = await level(server, closed(2, 20))
    assert set(errors(found)) == {None}

    async def script(request, reply):
        """Answers the first request of a connection and closes without a word on the second."""
        if len(server.requests) % 2:
            await talks("a")(request, reply)
        else:
            reply.close()

    server.requests.clear()
    server.script = script
    found = await level(server, closed(1, 4))
    assert errors(found) == [None] * 4


async def test_a_fresh_connection_that_is_closed_unanswered_is_a_failure(server):
    async def script(request, reply):
        reply.close()

    server.script = script
    assert set(errors(await level(server, closed(1, 3)))) <= {"connection lost", "connection reset"}


async def test_a_server_that_is_not_there_ends_the_level_soon_and_every_request_is_a_record():
    found = await level(Target(port=free_port()), closed(8, 1000))
    assert set(errors(found)) == {"connection refused"}
    assert 20 <= len(found.records) < 1000
    assert found.partial is not None
    assert "stopped answering after 0 whole answers (connection refused" in found.partial


async def test_an_open_loop_ends_too_when_the_server_is_not_there():
    found = await level(Target(port=free_port()), Load("open", rate=2000, requests=1000))
    assert set(errors(found)) == {"connection refused"}
    assert len(found.records) < 1000
    assert found.partial is not None


async def test_a_server_that_dies_half_way_ends_the_level_with_what_is_done():
    async with Scripted() as server:

        async def script(request, reply):
            if len(server.requests) >= 30:
                server.server.close()
                for writer in list(server.writers):
                    writer.transport.abort()
                return
            await talks("a", "b")(request, reply)

        server.script = script
        found = await level(server, closed(4, 10_000))
    whole = [record for record in found.records if record.error is None]
    assert 20 <= len(whole) <= 30
    assert found.partial is not None
    assert f"stopped answering after {len(whole)} whole answers" in found.partial
    assert {"connection refused"} <= set(errors(found)) - {None}


async def test_a_server_that_hangs_ends_the_level_after_as_many_timeouts_as_are_open(server):
    server.script = talks("a", "b", gate=asyncio.Event())
    found = await level(server, closed(4, 1000), timeout=0.05)
    assert set(errors(found)) <= {"no answer in time", "interrupted"}
    assert len(found.records) < 20
    assert found.partial is not None


@pytest.mark.parametrize("load", [closed(3, 100), closed(3, seconds=60), Load("open", rate=50, requests=100)])
async def test_a_stop_cuts_off_what_is_open_and_keeps_what_is_done(server, load):
    stop = asyncio.Event()
    numbers = itertools.count()

    async def script(request, reply):
        if next(numbers) >= 6:
            await asyncio.Event().wait()
        await talks("a")(request, reply)

    def on_progress(progress):
        if progress.done and progress.open:
            stop.set()

    server.script = script
    found = await level(server, load, stop=stop, on_progress=on_progress)
    assert set(errors(found)) == {None, "interrupted"}
    assert found.partial is not None
    assert found.partial.startswith("interrupted after ")
    assert len(found.records) < 100


async def test_a_stop_that_comes_after_the_end_changes_nothing(server):
    stop = asyncio.Event()

    def on_progress(progress):
        if progress.done == 2:
            stop.set()

    assert (await level(server, closed(1, 2), stop=stop, on_progress=on_progress)).partial is None


async def test_a_level_that_is_cancelled_leaves_no_connection_open(server):
    server.script = talks("a", "b", gate=asyncio.Event())
    task = asyncio.create_task(level(server, closed(3, 3)))
    await server.got.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.closed.wait(), 5)


async def test_a_level_that_a_display_broke_sends_nothing_more():
    """A place of a closed loop that waits to try again must not do so after the level is over."""

    def on_progress(progress):
        raise KeyError("display")

    port = free_port()
    with pytest.raises(KeyError):
        await level(Target(port=port), closed(2, seconds=60), on_progress=on_progress)
    async with Scripted(talks("a"), port=port) as server:
        await asyncio.sleep(0.1)
        assert server.connections == 0


async def test_usage_is_none_where_the_server_gives_none(server):
    async def script(request, reply):
        await reply.raw(SSE_HEAD)
        await reply.chunk(event("a") + DONE)
        await reply.chunk(b"")

    server.script = script
    record = (await level(server, closed(1, 1))).records[0]
    assert (record.error, record.completion_tokens) == (None, None)


async def test_a_stream_in_chunks_of_one_byte_is_read(server):
    async def script(request, reply):
        await reply.raw(SSE_HEAD)
        for byte in event("안녕") + USAGE + DONE:
            await reply.chunk(bytes([byte]))
        await reply.chunk(b"")

    server.script = script
    record = (await level(server, closed(1, 1))).records[0]
    assert (record.error, record.text, len(record.times), record.completion_tokens) == (None, "안녕", 1, 3)


async def test_unix_sockets_carry_levels_too(tmp_path):
    async with Scripted(talks("a"), unix=str(tmp_path / "s")) as server:
        assert errors(await level(server, closed(2, 6))) == [None] * 6
