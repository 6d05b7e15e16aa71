from __future__ import annotations

import hashlib
import threading

from server.cache.stores.filter import SMALLEST, KeyFilter


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def built(*numbers: int) -> KeyFilter:
    found = KeyFilter()
    found.begin(len(numbers), [])
    for number in numbers:
        found.load(key(number))
    found.finish()
    return found


def test_it_may_have_every_key_until_it_is_built():
    found = KeyFilter()
    found.begin(10, [])
    assert found.may_have(key(1))
    found.finish()
    assert not found.may_have(key(1))


def test_what_was_loaded_or_added_is_never_denied_and_little_else_is_affirmed():
    found = built(*range(100_000))
    for number in range(100_000, 110_000):
        found.add(key(number))
    assert all(found.may_have(key(number)) for number in range(110_000))
    wrong = sum(found.may_have(key(number)) for number in range(200_000, 220_000))
    assert wrong / 20_000 < 0.05


def test_what_is_added_or_on_its_way_while_it_is_built_is_in_it():
    found = built(1)
    found.begin(1, [key(2)])
    found.add(key(3))
    assert found.may_have(key(3)), "at once"
    found.load(key(1))
    found.finish()
    assert all(found.may_have(key(number)) for number in (1, 2, 3))


def test_it_is_crowded_when_every_eighth_bit_is_set():
    found = built()
    number = 0
    while not found.crowded:
        found.add(key(number))
        number += 1
    assert SMALLEST / 8 < number < SMALLEST / 7


def test_two_threads_lose_no_key():
    found = built()
    halves = [range(0, 40_000, 2), range(1, 40_000, 2)]
    threads = [threading.Thread(target=lambda half=half: [found.add(key(number)) for number in half]) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found.may_have(key(number)) for number in range(40_000))
