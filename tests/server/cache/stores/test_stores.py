"""What every store does: the same for memory, SQLite and a real Valkey or Redis server."""

from __future__ import annotations

import asyncio

import pytest

from tests.server.cache.stores.conftest import MAX_BYTES, Clock, Open, row, until, written


async def test_a_row_comes_back_as_it_was_put(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    put = row("a", bytes(range(256)) * 20, clock=clock, model="모델", namespace="이름 공간")
    store.put(put)
    assert await store.get(put.key) == put
    await written(store)
    assert await store.get(put.key) == put


async def test_an_unknown_key_is_a_miss(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    store.put(row("a", clock=clock))
    await written(store)
    assert await store.get(row("b", clock=clock).key) is None


async def test_may_have_is_true_for_what_was_put_and_false_for_most_else(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    first = row("a", clock=clock)
    store.put(first)
    assert store.may_have(first.key)

    async def knows() -> bool:
        return sum(store.may_have(i.to_bytes(8, "little") * 4) for i in range(1, 1001)) < 10

    await until(knows)
    assert store.may_have(first.key)


async def test_what_is_put_again_replaces(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    for value in (b"one", b"two" * 100, b"three"):
        store.put(row("a", value, clock=clock))
    await written(store)
    found = await store.get(row("a", clock=clock).key)
    assert found is not None
    assert found.value == b"three"
    assert (await store.stats()).entries == 1


async def test_a_row_is_gone_at_its_end(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    put = row("a", clock=clock, ttl=100)
    store.put(put)
    await written(store)
    clock.now += 99.9
    assert await store.get(put.key) == put
    clock.now += 0.1
    assert await store.get(put.key) is None


async def test_the_stores_own_time_to_live_ends_a_row_sooner(opened: Open, kind: str, clock: Clock):
    store = await opened(kind, ttl=50.0)
    put = row("a", clock=clock, ttl=100)
    store.put(put)
    await written(store)
    clock.now += 49.9
    assert await store.get(put.key) is not None
    clock.now += 0.2
    assert await store.get(put.key) is None


async def test_rows_past_their_end_give_their_room_back_though_nobody_asks(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    for i in range(50):
        store.put(row(f"{i}", bytes(10_000), clock=clock, ttl=100))
    await written(store)
    before = (await store.stats()).bytes
    clock.now += 101

    async def empty() -> bool:
        stats = await store.stats()
        return stats.entries == 0 and stats.bytes < before / 2

    await until(empty)
    assert (await store.stats()).expired == 50


async def test_bytes_stay_below_the_bound_and_the_least_recently_used_go_first(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    count, size = 300, 40_000
    kept = row("kept", bytes(size), clock=clock)
    store.put(kept)
    for i in range(count):
        clock.now += 1
        store.put(row(f"{i}", bytes(size), clock=clock))
        await written(store)
        assert await store.get(kept.key) is not None, f"thrown out after {i}, though it was used a moment ago"
        await asyncio.sleep(0.001)  # its use is on its way to the store
        if i % 20 == 0 or i == count - 1:
            stats = await store.stats()
            assert stats.bytes <= MAX_BYTES
    assert stats.evicted >= count + 1 - MAX_BYTES // size
    assert stats.entries >= MAX_BYTES // size * 0.7
    there = [await store.get(row(f"{i}", clock=clock).key) is not None for i in range(count)]
    assert there == sorted(there), "an older row is there and a newer one is not"


async def test_a_row_larger_than_the_store_is_dropped_and_counted(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    large = row("large", bytes(MAX_BYTES + 1), clock=clock)
    store.put(row("small", clock=clock))
    store.put(large)
    await written(store)
    assert await store.get(row("small", clock=clock).key) is not None
    stats = await store.stats()
    assert (stats.entries, stats.dropped) == (1, 1)


async def test_a_discarded_row_is_gone(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    for name in ("a", "b"):
        store.put(row(name, clock=clock))
    await written(store)
    store.discard(row("a", clock=clock).key)
    await written(store)
    assert await store.get(row("a", clock=clock).key) is None
    assert await store.get(row("b", clock=clock).key) is not None


@pytest.mark.parametrize(
    ("model", "namespace", "left"),
    [
        (None, None, set()),
        ("m1", None, {("m2", "n1"), ("m2", "n2")}),
        (None, "n1", {("m1", "n2"), ("m2", "n2")}),
        ("m1", "n1", {("m1", "n2"), ("m2", "n1"), ("m2", "n2")}),
        ("m3", None, {("m1", "n1"), ("m1", "n2"), ("m2", "n1"), ("m2", "n2")}),
    ],
)
async def test_flush_removes_what_it_names_and_nothing_else(opened: Open, kind: str, clock: Clock, model, namespace, left):
    store = await opened(kind)
    names = [(m, n) for m in ("m1", "m2") for n in ("n1", "n2")]
    for m, n in names:
        for i in range(700):  # more than one transaction
            store.put(row(f"{m}{n}{i}", clock=clock, model=m, namespace=n))
        clock.now += 0.001
    assert await store.flush(model, namespace) == 700 * (4 - len(left))
    stats = await store.stats()
    assert {(group.model, group.namespace): group.entries for group in stats.groups} == dict.fromkeys(left, 700)
    for m, n in names:
        assert (await store.get(row(f"{m}{n}{0}", clock=clock).key) is not None) == ((m, n) in left)


async def test_what_is_put_after_a_flush_stays(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    store.put(row("a", clock=clock))
    clock.now += 1
    await store.flush(None, None)
    store.put(row("a", b"new", clock=clock))
    await written(store)
    found = await store.get(row("a", clock=clock).key)
    assert found is not None
    assert found.value == b"new"


async def test_questions_come_newer_than_the_cursor_and_go_with_their_rows(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    keys = [row(f"{i}", clock=clock).key for i in range(5)]
    for i in range(4):
        store.put(row(f"{i}", clock=clock, model="m" if i < 3 else "other"))
    for i in range(5):  # the last has no row
        store.put_question(b"p" if i != 1 else b"q", keys[i], b"data %d" % i, "m", "n")
    found = await store.questions(b"p", 0)
    assert [(key, data) for _, key, data in found] == [(keys[i], b"data %d" % i) for i in (0, 2, 3)]
    assert [cursor for cursor, _, _ in found] == sorted({cursor for cursor, _, _ in found})
    assert await store.questions(b"p", found[1][0]) == found[2:]
    assert await store.questions(b"p", found[2][0]) == []
    assert (await store.stats()).questions == 4
    store.discard(keys[0])
    await written(store)
    assert [key for _, key, _ in await store.questions(b"p", 0)] == [keys[2], keys[3]]
    clock.now += 1
    await store.flush("m", None)
    assert [key for _, key, _ in await store.questions(b"p", 0)] == [keys[3]]
    assert (await store.stats()).questions == 1


async def test_a_question_outlives_its_row_being_written_anew(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    store.put(row("a", clock=clock))
    store.put_question(b"p", row("a", clock=clock).key, b"data", "m", "n")
    store.put(row("a", b"new", clock=clock))
    await written(store)
    assert [data for _, _, data in await store.questions(b"p", 0)] == [b"data"]
    await store.flush(None, None)
    assert await store.questions(b"p", 0) == []
    assert (await store.stats()).questions == 0


async def test_questions_count_for_the_bound_in_bytes(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    for i in range(400):
        clock.now += 1
        store.put(row(f"{i}", clock=clock))
        store.put_question(b"p", row(f"{i}", clock=clock).key, bytes(30_000), "m", "n")
        if i % 10 == 0:
            await written(store)
    store.put(row("last", clock=clock))
    await written(store)
    stats = await store.stats()
    assert stats.bytes <= MAX_BYTES
    assert 0 < stats.questions <= MAX_BYTES // 30_000


async def test_counts_are_added_up(opened: Open, kind: str):
    store = await opened(kind)
    assert await store.add_counts(b"p", {"right": 2, "wrong": 1}) == {"right": 2, "wrong": 1}
    assert await store.add_counts(b"p", {"right": 3}) == {"right": 5, "wrong": 1}
    assert await store.add_counts(b"q", {}) == {}
    totals = await asyncio.gather(*(store.add_counts(b"p", {"right": 1}) for _ in range(50)))
    assert sorted(total["right"] for total in totals) == list(range(6, 56))


async def test_counts_survive_a_flush(opened: Open, kind: str):
    store = await opened(kind)
    await store.add_counts(b"p", {"wrong": 1})
    await store.flush(None, None)
    assert await store.add_counts(b"p", {}) == {"wrong": 1}


async def test_stats_tell_what_there_is_by_model_and_namespace(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    for i, (model, namespace) in enumerate([("a", "x"), ("a", "x"), ("a", "y"), ("b", "x")]):
        store.put(row(f"{i}", bytes(1000), clock=clock, model=model, namespace=namespace))
    await written(store)
    stats = await store.stats()
    assert stats.name == kind
    assert stats.up
    assert [(group.model, group.namespace, group.entries) for group in stats.groups] == [("a", "x", 2), ("a", "y", 1), ("b", "x", 1)]
    assert all(group.bytes >= 1000 * group.entries for group in stats.groups)
    assert stats.entries == 4
    assert stats.bytes >= 4000
    assert stats.max_bytes == MAX_BYTES


async def test_sixteen_at_once_each_get_their_own_row(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    for i in range(500):
        store.put(row(f"{i}", b"%d" % i, clock=clock))
    await written(store)

    async def ask(start: int) -> None:
        for i in range(start, 500, 16):
            found = await store.get(row(f"{i}", clock=clock).key)
            assert found is not None
            assert found.value == b"%d" % i
            assert await store.get(row(f"not {i}", clock=clock).key) is None

    await asyncio.gather(*map(ask, range(16)))


async def test_one_who_gives_up_does_not_spoil_the_others_answers(opened: Open, kind: str, clock: Clock):
    store = await opened(kind)
    store.put(row("a", clock=clock))
    await written(store)
    tasks = [asyncio.create_task(store.get(row("a", clock=clock).key)) for _ in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(one == row("a", clock=clock) for one in found[1::2])
    assert await store.get(row("a", clock=clock).key) is not None


async def test_closing_writes_what_waits(opened: Open, shared_kind: str, clock: Clock):
    store = await opened(shared_kind)
    for i in range(300):
        store.put(row(f"{i}", clock=clock))
    await store.close()
    again = await opened(shared_kind)
    assert (await again.stats()).entries == 300


async def test_another_worker_sees_rows_within_moments(opened: Open, shared_kind: str, clock: Clock):
    one, other = await opened(shared_kind), await opened(shared_kind)
    put = row("a", clock=clock)

    async def knows() -> bool:
        return not other.may_have(put.key)

    await until(knows)
    one.put(put)

    async def sees() -> bool:
        return other.may_have(put.key) and await other.get(put.key) == put

    await until(sees)


async def test_another_worker_is_told_of_flushes_and_of_rows_written_anew_and_the_worker_itself_is_not(
    opened: Open, shared_kind: str, clock: Clock
):
    one, other = await opened(shared_kind), await opened(shared_kind)
    told: list[object] = []
    own: list[object] = []
    other.on_flush = lambda *names: told.append(names)
    other.on_replace = told.extend
    one.on_flush = lambda *names: own.append(names)
    one.on_replace = own.extend
    one.put(row("a", clock=clock))

    async def count(expected: int) -> None:
        async def reached() -> bool:
            return len(told) >= expected

        await until(reached)

    await count(1)
    await one.flush("m", None)
    await one.flush(None, "n")
    await count(3)
    assert told == [row("a", clock=clock).key, ("m", None), (None, "n")]
    assert own == []


async def test_a_row_on_its_way_while_another_worker_flushes_is_not_written(opened: Open, shared_kind: str, clock: Clock):
    one, other = await opened(shared_kind), await opened(shared_kind)
    made_before = row("a", clock=clock)
    clock.now += 1
    await other.flush("m", None)
    one.put(made_before)
    one.put(row("b", clock=clock))
    await written(one)
    assert await one.get(made_before.key) is None
    assert await one.get(row("b", clock=clock).key) is not None
    assert (await one.stats()).dropped == 1


async def test_counts_of_two_workers_are_one(opened: Open, shared_kind: str):
    one, other = await opened(shared_kind), await opened(shared_kind)
    await asyncio.gather(*(store.add_counts(b"p", {"n": 1}) for store in (one, other) for _ in range(40)))
    assert await one.add_counts(b"p", {}) == {"n": 80}


async def test_rows_outlive_a_worker(opened: Open, shared_kind: str, clock: Clock):
    store = await opened(shared_kind)
    store.put(row("a", clock=clock))
    await store.close()
    again = await opened(shared_kind)
    assert again.may_have(row("a", clock=clock).key)
    assert await again.get(row("a", clock=clock).key) == row("a", clock=clock)
