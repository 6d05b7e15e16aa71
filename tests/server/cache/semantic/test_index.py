import numpy as np
import pytest

from server.cache.semantic.index import MOST, RECENTRED, Index


def vectors(count, dimensions=384, seed=0, drift=0.0):
    """Random directions; with `drift`, all in one corner, as many models put them."""
    chance = np.random.default_rng(seed)
    found = chance.standard_normal((count, dimensions)).astype(np.float32) + drift * chance.standard_normal(dimensions).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def keys(count):
    return [number.to_bytes(4, "big") for number in range(count)]


def near(vector, cosine, seed=1):
    """A vector at exactly this cosine."""
    other = np.random.default_rng(seed).standard_normal(len(vector)).astype(np.float32)
    other -= (other @ vector) * vector
    other /= np.linalg.norm(other)
    return cosine * vector + np.float32(np.sqrt(1 - cosine**2)) * other


def test_an_empty_index_has_nothing_near():
    assert Index(8).nearest(vectors(1, 8)[0], -1.0, 4) == []


def test_similarities_are_cosines_the_nearest_first():
    index = Index(384)
    base = vectors(1)[0]
    index.add([b"a", b"b", b"c"], [near(base, 0.7, 1), near(base, 0.95, 2), near(base, 0.8, 3)])
    found = index.nearest(base, 0.75, 4)
    assert [key for _, key in found] == [b"b", b"c"]
    assert [similarity for similarity, _ in found] == pytest.approx([0.95, 0.8], abs=1e-3)


@pytest.mark.parametrize("drift", [0.0, 1.5])
def test_the_sketch_finds_the_nearest_of_many(drift):
    stored = vectors(20_000, drift=drift)
    index = Index(384)
    names = keys(len(stored))
    for start in range(0, len(stored), 1000):
        index.add(names[start : start + 1000], stored[start : start + 1000])
    hit = 0
    for number in range(0, 20_000, 200):
        question = near(stored[number], 0.85, number)
        best = int((stored @ question).argmax())
        hit += [key for _, key in index.nearest(question, 0.8, 1)] == [names[best]]
    assert hit >= 99


def test_what_is_added_one_by_one_is_found_like_what_is_added_at_once():
    stored = vectors(RECENTRED[1] + 300)
    one_by_one, at_once = Index(384), Index(384)
    names = keys(len(stored))
    for name, vector in zip(names, stored, strict=True):
        one_by_one.add([name], [vector])
    at_once.add(names, stored)
    assert len(one_by_one) > MOST
    for number in range(0, len(stored), 25):
        question = near(stored[number], 0.9, number)
        assert one_by_one.nearest(question, 0.8, 1)[0][1] == at_once.nearest(question, 0.8, 1)[0][1] == names[number]


def test_a_removed_key_is_not_found_and_the_others_are():
    stored = vectors(1000)
    index = Index(384)
    names = keys(1000)
    index.add(names, stored)
    for number in range(0, 1000, 2):
        index.remove(names[number])
    index.remove(b"never there")
    assert len(index) == 500
    assert all(index.nearest(stored[number], 0.9, 1) == [] for number in range(0, 1000, 2))
    assert all(index.nearest(stored[number], 0.9, 1)[0][1] == names[number] for number in range(1, 1000, 2))


def test_a_key_that_is_there_gets_the_new_vector():
    index = Index(384)
    old, new = vectors(2)
    index.add([b"a"], [old])
    index.add([b"a"], [new])
    assert len(index) == 1
    assert index.nearest(old, 0.5, 1) == []
    assert index.nearest(new, 0.5, 1)[0][1] == b"a"


def test_other_dimensions_are_refused_when_added_and_not_near_when_asked():
    index = Index(384)
    with pytest.raises(ValueError):
        index.add([b"a"], vectors(1, 8))
    index.add([b"b"], vectors(1))
    assert index.nearest(vectors(1, 8)[0], 0.0, 1) == []
