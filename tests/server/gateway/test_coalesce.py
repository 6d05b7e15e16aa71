"""The same request at the same time: one generation, whatever shape each client asked for, and nobody hangs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.scripted import DONE, SSE_HEAD, USAGE, Reply, Request, Scripted, chunk, generates, json_answer, talks
from tests.server.gateway.conftest import Gateways, Running, asked, begun, cached, post
from tests.server.gateway.test_cache import ASK, ON, PATH, STREAM, said, text_of
from tests.server.gateway.test_cache import USAGE as STREAM_WITH_USAGE

SOON = 5.0  # seconds


async def following(running: Running, count: int) -> None:
    """Wait until `count` requests follow one flight."""
    assert running.app.kept is not None
    async with asyncio.timeout(SOON):
        while sum(flight.following for flight in running.app.kept.flights.running.values()) != count:
            await asyncio.sleep(0.002)


async def raw(running: Running, body: dict[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await running.raw(post(PATH, json.dumps(body).encode()))


async def all_of(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.read(), SOON)


def without_chunks(answer: bytes) -> bytes:
    """The body of a chunked answer."""
    at, body = answer.index(b"\r\n\r\n") + 4, []
    while size := int(answer[at : (line := answer.index(b"\r\n", at))], 16):
        body.append(answer[line + 2 : line + 2 + size])
        at = line + 4 + size
    return b"".join(body)


@pytest.mark.parametrize("count", [2, 100])
@pytest.mark.parametrize("body", [ASK, STREAM], ids=["whole", "stream"])
async def test_many_at_once_are_one_generation(body: dict[str, Any], count: int, engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = talks("Hel", "lo", gate=gate)
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        waiting = [asyncio.create_task(http.post(PATH, json=body)) for _ in range(count)]
        await following(running, count - 1)
        gate.set()
        answers = await asyncio.wait_for(asyncio.gather(*waiting), SOON)
    assert asked(engine) == 1
    assert len({answer.content for answer in answers}) == 1
    assert sorted(said(answer) for answer in answers) == ["coalesced"] * (count - 1) + ["miss"]
    assert len({answer.headers["x-request-id"] for answer in answers}) == count


@pytest.mark.parametrize(
    ("leader", "follower"),
    [(STREAM_WITH_USAGE, ASK), (ASK, STREAM), (ASK, STREAM_WITH_USAGE), (STREAM_WITH_USAGE, STREAM)],
    ids=["whole behind stream", "stream behind whole", "stream with usage behind whole", "usage for one"],
)
async def test_shapes_mix(leader: dict[str, Any], follower: dict[str, Any], engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = talks("Hel", "lo", gate=gate)
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        first = asyncio.create_task(http.post(PATH, json=leader))
        await begun(engine)
        second = asyncio.create_task(http.post(PATH, json=follower))
        await following(running, 1)
        gate.set()
        one, two = await asyncio.wait_for(asyncio.gather(first, second), SOON)
    assert asked(engine) == 1
    assert (said(one), said(two)) == ("miss", "coalesced")
    for body, answer in ((leader, one), (follower, two)):
        if body.get("stream"):
            assert text_of(answer.content) == "Hello"
            assert answer.content.endswith(DONE)
            assert (b'"total_tokens"' in answer.content) == ("stream_options" in body)
        else:
            assert answer.json()["choices"][0]["message"]["content"] == "Hello"
            assert answer.json()["usage"]["total_tokens"] == 8


async def test_who_wants_the_tokens_does_not_follow_a_stream_that_will_not_tell_them(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = talks("Hel", "lo", gate=gate)
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        waiting = [asyncio.create_task(http.post(PATH, json=STREAM))]
        while asked(engine) < 1:
            await asyncio.sleep(0.002)
        waiting += [asyncio.create_task(http.post(PATH, json=ASK)) for _ in range(3)]
        await following(running, 2)  # the second generation has two
        gate.set()
        answers = await asyncio.wait_for(asyncio.gather(*waiting), SOON)
    assert asked(engine) == 2
    assert all(answer.json()["usage"]["total_tokens"] == 8 for answer in answers[1:])


async def test_one_who_comes_late_gets_what_there_is_at_once_and_then_the_rest(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = talks("Hel", "lo", gate=gate)
    async with gateway(engine, **ON) as running:
        await cached(running)
        first, one = await raw(running, STREAM)
        await first.readuntil(b'"Hel"')
        second, two = await raw(running, STREAM)
        await asyncio.wait_for(second.readuntil(b'"Hel"'), SOON)  # while the engine waits
        gate.set()
        answers = await asyncio.gather(all_of(first), all_of(second))
        one.close()
        two.close()
    assert asked(engine) == 1
    assert all(b'"lo"' in answer and b"[DONE]" in answer for answer in answers)


async def test_a_slow_leader_holds_nobody_up(gateway: Gateways) -> None:
    word = "x" * 10_000
    begin = asyncio.Event()

    async def script(request: Request, reply: Reply) -> None:
        await reply.raw(SSE_HEAD)
        await reply.chunk(chunk({"role": "assistant", "content": "first"}))
        await begin.wait()
        for _ in range(1500):  # far more than the buffers of a connection hold
            await reply.chunk(chunk({"content": word}))
        await reply.chunk(chunk({}, "stop") + DONE)
        await reply.chunk(b"")

    async with (
        Scripted(generates(script)) as engine,
        gateway(engine, cache={"store": "memory", "max_entry": "64MiB"}) as running,
        running.http() as http,
    ):
        await cached(running)
        slow, writer = await raw(running, STREAM)  # reads only the start
        await slow.readuntil(b'"first"')
        follower = asyncio.create_task(http.post(PATH, json=STREAM))
        await following(running, 1)
        begin.set()
        answer = await asyncio.wait_for(follower, 30)
        assert len(text_of(answer.content)) == 5 + 1500 * 10_000
        rest = await asyncio.wait_for(slow.read(), 30)
        assert b"[DONE]" in rest[-100:], rest[-300:]
        assert without_chunks(b"chunked\r\n\r\n" + rest[rest.index(b"\r\n") + 2 :]).count(word.encode()) == 1500
        writer.close()
    assert asked(engine) == 1


async def test_a_leader_that_is_stuck_when_somebody_joins_holds_nobody_up(gateway: Gateways) -> None:
    word, count = "x" * 100_000, 600  # far more than what all buffers on the way hold
    written = 0

    async def script(request: Request, reply: Reply) -> None:
        nonlocal written
        await reply.raw(SSE_HEAD)
        for written in range(count):  # noqa: B007
            await reply.chunk(chunk({"content": word}))
        await reply.chunk(chunk({}, "stop") + DONE)
        await reply.chunk(b"")

    big = {"store": "memory", "max_entry": "128MiB"}
    async with Scripted(generates(script)) as engine, gateway(engine, cache=big) as running:
        await cached(running)
        _, writer = await raw(running, STREAM)  # reads nothing
        before = -1
        while written != before or not written:  # until this client holds the engine back
            before = written
            await asyncio.sleep(0.3)
        assert written < count - 1
        follower, other = await raw(running, STREAM)
        answer = await asyncio.wait_for(follower.read(), 30)
        writer.transport.abort()
        other.close()
    assert without_chunks(answer).count(word.encode()) == count
    assert asked(engine) == 1


async def test_the_work_goes_on_when_the_leader_leaves(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = talks("Hel", "lo", gate=gate)
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        for body in (STREAM, ASK):
            before = asked(engine)
            gate.clear()
            _, leader = await raw(running, {**body, "seed": before})
            while asked(engine) == before:
                await asyncio.sleep(0.002)
            follower = asyncio.create_task(http.post(PATH, json={**body, "seed": before}))
            await following(running, 1)
            leader.close()
            while not any(call.gone for call in running.app.inflight.calls):
                await asyncio.sleep(0.005)
            gate.set()
            answer = await asyncio.wait_for(follower, SOON)
            assert (answer.status_code, said(answer)) == (200, "coalesced")
            assert b"lo" in answer.content
            assert said(await http.post(PATH, json={**body, "seed": before})) == "hit"
            assert asked(engine) == before + 1
        while len(running.log) < 4 + 2:
            await asyncio.sleep(0.005)
        assert sorted(line["status"] for line in running.log if line["path"] == PATH) == [200, 200, 200, 200, 499, 499]


async def test_the_engines_work_ends_when_everybody_has_left(engine: Scripted, gateway: Gateways) -> None:
    engine.script = talks("Hel", "lo", gate=asyncio.Event())
    async with gateway(engine, **ON) as running:
        await cached(running)
        for body in (STREAM, ASK):
            engine.closed.clear()
            before = asked(engine)
            _, leader = await raw(running, body)
            while asked(engine) == before:
                await asyncio.sleep(0.002)
            others = [await raw(running, body) for _ in range(3)]
            await following(running, 3)
            leader.close()
            for _, writer in others[:2]:
                writer.close()
            await following(running, 1)
            assert not engine.closed.is_set()
            others[2][1].close()
            await asyncio.wait_for(engine.closed.wait(), SOON)
            while running.app.inflight.calls:
                await asyncio.sleep(0.005)
        assert not running.app.kept.flights.running


async def test_a_follower_that_leaves_ends_nothing(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = talks("Hel", "lo", gate=gate)
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        leader = asyncio.create_task(http.post(PATH, json=STREAM))
        await begun(engine)
        _, writer = await raw(running, STREAM)
        await following(running, 1)
        writer.close()
        await following(running, 0)
        gate.set()
        answer = await asyncio.wait_for(leader, SOON)
    assert text_of(answer.content) == "Hello"


# Failures


async def breaks_off(reply: Reply) -> None:
    """Not as an idle connection that is closed, which would be tried again without a word."""
    await reply.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
    await asyncio.sleep(0.02)
    reply.reset()


async def test_one_of_those_who_wait_takes_over(gateway: Gateways) -> None:
    gate = asyncio.Event()

    async def script(request: Request, reply: Reply) -> None:
        if asked(engine) == 1:
            await gate.wait()
            await breaks_off(reply)
        else:
            await talks("Hello")(request, reply)

    async with Scripted(generates(script)) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        waiting = [asyncio.create_task(http.post(PATH, json=ASK)) for _ in range(5)]
        await following(running, 4)
        gate.set()
        answers = await asyncio.wait_for(asyncio.gather(*waiting), SOON)
    assert sorted(a.status_code for a in answers) == [200, 200, 200, 200, 502]
    assert sorted(said(a) for a in answers if a.status_code == 200) == ["coalesced", "coalesced", "coalesced", "miss"]
    assert asked(engine) == 2


async def test_after_a_few_failures_all_get_the_error(gateway: Gateways) -> None:
    gate = asyncio.Event()

    async def script(request: Request, reply: Reply) -> None:
        await gate.wait()
        await asyncio.sleep(0.02)
        await breaks_off(reply)

    async with Scripted(generates(script)) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        waiting = [asyncio.create_task(http.post(PATH, json=ASK)) for _ in range(20)]
        await following(running, 19)
        gate.set()
        answers = await asyncio.wait_for(asyncio.gather(*waiting), SOON)
    assert {(a.status_code, a.json()["error"]["code"]) for a in answers} == {(502, "upstream_error")}
    assert asked(engine) == 3


async def test_a_refusal_that_all_would_meet_is_shared(gateway: Gateways) -> None:
    gate = asyncio.Event()

    async def script(request: Request, reply: Reply) -> None:
        await gate.wait()
        await json_answer({"error": {"message": "temperature must be positive"}}, 400)(request, reply)

    async with Scripted(generates(script)) as engine, gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        waiting = [asyncio.create_task(http.post(PATH, json=ASK)) for _ in range(5)]
        await following(running, 4)
        gate.set()
        answers = await asyncio.wait_for(asyncio.gather(*waiting), SOON)
    assert {(a.status_code, a.json()["error"]["message"]) for a in answers} == {(400, "temperature must be positive")}
    assert asked(engine) == 1


async def test_a_break_in_the_middle_is_an_event_for_those_in_the_middle(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()

    async def script(request: Request, reply: Reply) -> None:
        if asked(engine) > 1:
            await talks("Hello")(request, reply)
            return
        await reply.raw(SSE_HEAD)
        await reply.chunk(chunk({"role": "assistant", "content": "half"}))
        await gate.wait()
        reply.reset()

    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        engine.script = script
        leader = asyncio.create_task(http.post(PATH, json=STREAM_WITH_USAGE))
        await begun(engine)
        middle, writer = await raw(running, STREAM)
        await middle.readuntil(b'"half"')
        whole = asyncio.create_task(http.post(PATH, json=ASK))
        await following(running, 2)
        gate.set()
        answers = await asyncio.wait_for(asyncio.gather(leader, all_of(middle), whole), SOON)
        writer.close()
    assert b'"error"' in answers[0].content
    assert b'"error"' in answers[1]
    assert answers[2].json()["choices"][0]["message"]["content"] == "Hello"
    assert asked(engine) == 2


async def test_a_stream_that_ends_without_an_end_is_asked_for_again_by_those_who_want_it_whole(engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()

    async def script(request: Request, reply: Reply) -> None:
        if asked(engine) > 1:
            await talks("Hello")(request, reply)
            return
        await reply.raw(SSE_HEAD)
        await reply.chunk(chunk({"role": "assistant", "content": "half"}))
        await gate.wait()
        await reply.chunk(USAGE + DONE)
        await reply.chunk(b"")

    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        engine.script = script
        leader = asyncio.create_task(http.post(PATH, json=STREAM_WITH_USAGE))
        await begun(engine)
        whole = asyncio.create_task(http.post(PATH, json=ASK))
        await following(running, 1)
        gate.set()
        _, answer = await asyncio.wait_for(asyncio.gather(leader, whole), SOON)
    assert answer.json()["choices"][0]["message"]["content"] == "Hello"


async def test_nobody_waits_for_a_silent_engine_twice(engine: Scripted, gateway: Gateways) -> None:
    async def script(request: Request, reply: Reply) -> None:
        await asyncio.sleep(60)

    timeouts = {"gateway": {"timeouts": {"first_byte": "300ms"}}}
    async with gateway(engine, **ON, **timeouts) as running, running.http() as http:
        await cached(running)
        engine.script = script
        waiting = [asyncio.create_task(http.post(PATH, json=ASK)) for _ in range(4)]
        answers = await asyncio.wait_for(asyncio.gather(*waiting), SOON)
    assert {a.status_code for a in answers} == {504}
    assert asked(engine) == 1


# Control


@pytest.mark.parametrize("said_by_client", ["no-cache", "no-store", "max-age=0"])
async def test_who_wants_a_fresh_or_a_private_answer_does_not_follow(said_by_client: str, engine: Scripted, gateway: Gateways) -> None:
    gate = asyncio.Event()
    engine.script = talks("Hello", gate=gate)
    async with gateway(engine, **ON) as running, running.http() as http:
        await cached(running)
        waiting = [asyncio.create_task(http.post(PATH, json=ASK, headers=h)) for h in ({}, {"cache-control": said_by_client}, {})]
        while asked(engine) < 2:
            await asyncio.sleep(0.002)
        await following(running, 1)
        gate.set()
        answers: list[httpx.Response] = await asyncio.wait_for(asyncio.gather(*waiting), SOON)
    one, fresh, other = map(said, answers)
    assert fresh == "miss"
    assert {one, other} == {"miss", "coalesced"}  # whichever came first


async def test_draining_waits_for_those_who_follow(engine: Scripted, gateway: Gateways) -> None:
    import signal

    gate = asyncio.Event()
    engine.script = talks("Hel", "lo", gate=gate)
    async with gateway(engine, **ON) as running:
        await cached(running)
        first, one = await raw(running, STREAM)
        await first.readuntil(b'"Hel"')
        second, two = await raw(running, STREAM)
        await second.readuntil(b'"Hel"')
        running.server.handle_exit(signal.SIGTERM, None)
        one.close()
        await asyncio.sleep(0.3)
        assert not running.task.done()
        gate.set()
        assert b"[DONE]" in await all_of(second)
        two.close()
        await asyncio.wait_for(asyncio.shield(running.task), SOON)
