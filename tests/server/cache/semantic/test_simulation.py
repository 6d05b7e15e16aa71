"""Long streams of synthetic questions whose truth is known: what is served, how much of it is wrong, when it is turned off.

Every topic has a first question; each later one about it lies at a random similarity to that, and asks the same with a
probability that depends on the similarity and the topic. The embedder sees similarities, the judge tells the truth
about two answers, and the cache knows nothing else: the gates pass everything here.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.server.cache.semantic.world import DIMENSIONS, World

LIMIT = 0.05
TOPICS = 24
Right = Callable[[int, float], float]  # topic, similarity -> probability that the kept answer is right


def curves(chance: random.Random, low: float, high: float) -> Right:
    """A logistic curve for each topic, half of its questions the same at a similarity between `low` and `high`."""
    middles = [low + (high - low) * chance.random() for _ in range(TOPICS)]
    return lambda topic, similarity: 1 / (1 + math.exp(-(similarity - middles[topic]) / 0.01))


class Stream:
    def __init__(self, right: Right, seed: int = 1, **settings: Any) -> None:
        self.chance = random.Random(seed)
        self.right = right
        self.asked = self.served = self.wrong = 0
        self.world = World({"max_false_hit_rate": LIMIT, "audit_share": 0.2, "threshold": 0.9, **settings}, random=self.chance.random)

    async def run(self, questions: int) -> None:
        async with self.world as world:
            for _ in range(questions):
                await self._one(world)

    async def _one(self, world: World) -> None:
        topic = self.chance.randrange(TOPICS)
        first = f"word{chr(97 + topic)} question"
        if first not in world.embedder.places:
            await world.request(world.embedder.place(first, topic))
        similarity = 0.8 + 0.2 * self.chance.random()
        text = first + " " + format(self.asked, "b").replace("0", "?").replace("1", "!")
        vector = np.zeros(DIMENSIONS, np.float32)
        vector[2 * topic] = similarity
        vector[100 + self.asked % (DIMENSIONS - 100)] = math.sqrt(1 - similarity**2)  # so that later ones are farther from each other
        world.embedder.places[text] = vector
        same = self.chance.random() < self.right(topic, similarity)
        world.answers[text] = world.says(first) if same else f"answer {self.asked}"
        said = await world.request(text)
        self.asked += 1
        if said.startswith("semantic: "):
            self.served += 1
            self.wrong += said.removeprefix("semantic: ") != world.answers[text]

    @property
    def rate(self) -> float:
        return self.wrong / max(self.served, 1)

    @property
    def partition(self) -> dict[str, Any]:
        (found,) = self.world.semantic.report()["partitions"]
        return found


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_where_each_topic_needs_another_threshold_false_hits_stay_below_the_limit_and_it_serves(seed):
    stream = Stream(curves(random.Random(seed), 0.82, 0.93), seed, threshold=0.96)
    await stream.run(1000)
    assert stream.rate <= LIMIT
    assert stream.served > 100


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_where_similarity_means_nothing_it_turns_itself_off(seed):
    stream = Stream(lambda topic, similarity: 0.5, seed)
    await stream.run(600)
    assert stream.partition["serving"] is False
    assert stream.partition["deciding_bound"] > LIMIT
    assert stream.wrong <= 0.02 * stream.asked


@pytest.mark.parametrize("seed", [1, 2])
async def test_where_similarity_is_upside_down_it_turns_itself_off(seed):
    stream = Stream(lambda topic, similarity: 1.0 if similarity < 0.9 else 0.0, seed)
    await stream.run(600)
    assert stream.partition["serving"] is False
    assert stream.wrong <= 0.02 * stream.asked


async def test_without_a_calibration_it_proves_itself_on_the_stream_before_it_serves():
    stream = Stream(curves(random.Random(1), 0.82, 0.9), threshold=None)
    await stream.run(1000)
    assert stream.served > 100
    assert stream.rate <= LIMIT


async def test_where_the_kept_answer_is_always_right_nearly_all_that_is_similar_is_served():
    stream = Stream(lambda topic, similarity: 1.0)
    await stream.run(800)
    assert stream.wrong == 0
    assert stream.served > 0.7 * stream.asked


async def test_the_bound_is_never_below_the_share_that_was_wrong_where_everything_is_audited():
    stream = Stream(curves(random.Random(4), 0.84, 0.95), 4, audit_share=1.0)
    await stream.run(800)
    partition = stream.partition
    assert partition["audits"] > 50
    assert partition["false_hit_bound"] >= partition["false_hits"] / partition["audits"]
    assert partition["false_hits"] >= stream.wrong  # those found while it was off are in it too
