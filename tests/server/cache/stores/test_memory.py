from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.cache.stores.base import ROW_OVERHEAD
from server.cache.stores.memory import Memory
from tests.server.cache.stores.conftest import Clock, row

SIZE = 1000 + 32 + ROW_OVERHEAD


def test_the_least_recently_used_goes_first(clock: Clock):
    memory = Memory(3 * SIZE, 100, clock)
    rows = {name: row(name, bytes(1000), clock=clock) for name in "abcd"}
    for name in "abc":
        memory.put(rows[name])
    assert memory.get(rows["a"].key) is not None
    memory.put(rows["d"])
    assert [name for name in "abcd" if rows[name].key in memory] == ["a", "c", "d"]
    assert memory.tally.evicted == 1


def test_writing_anew_counts_as_use(clock: Clock):
    memory = Memory(2 * SIZE, 100, clock)
    for name in ("a", "b", "a", "c"):
        memory.put(row(name, bytes(1000), clock=clock))
    assert [name for name in "abc" if row(name, clock=clock).key in memory] == ["a", "c"]


def test_a_row_is_gone_at_its_end_or_at_the_memorys_whichever_is_sooner(clock: Clock):
    memory = Memory(10 * SIZE, 100, clock)
    memory.put(row("a", clock=clock, ttl=50))
    memory.put(row("b", clock=clock, ttl=500))
    clock.now += 49.9
    assert memory.get(row("a", clock=clock).key) is not None
    clock.now += 0.1
    assert memory.get(row("a", clock=clock).key) is None
    clock.now += 49.9
    assert memory.get(row("b", clock=clock).key) is not None
    clock.now += 0.1
    assert memory.get(row("b", clock=clock).key) is None
    assert (len(memory), memory.bytes, memory.tally.expired) == (0, 0, 2)


def test_a_row_too_large_removes_the_one_under_its_key(clock: Clock):
    memory = Memory(SIZE, 100, clock)
    memory.put(row("a", clock=clock))
    memory.put(row("a", bytes(1001), clock=clock))
    assert (len(memory), memory.bytes, memory.tally.dropped) == (0, 0, 1)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5000), st.sampled_from(["put", "get", "discard", "charge", "flush"]))))
def test_bytes_are_the_sum_of_what_is_there_and_within_the_bound(steps: list[tuple[int, int, str]]):
    clock = Clock()
    removed: list[bytes] = []
    memory = Memory(20_000, 50, clock, removed.append)
    for name, size, step in steps:
        clock.now += 1
        key = row(f"{name}", clock=clock).key
        if step == "put":
            memory.put(row(f"{name}", bytes(size), clock=clock, model=f"{name % 3}"))
        elif step == "get":
            memory.get(key)
        elif step == "discard":
            memory.discard(key)
        elif step == "charge" and key in memory:
            memory.charge(key, size)
        elif step == "flush":
            memory.flush(f"{name % 3}", None)
        assert memory.bytes == sum(kept.size for kept in memory.rows.values()) + sum(memory._charged.values()) <= 20_000
        assert set(memory._charged) <= set(memory.rows)
        assert memory.bytes == sum(group.bytes for group in memory.groups()) + sum(memory._charged.values())
    assert all(len(key) == 32 for key in removed)
