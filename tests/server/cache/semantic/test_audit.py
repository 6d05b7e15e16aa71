import random

import pytest

from server.cache.semantic.bound import audits_needed
from tests.server.cache.semantic.world import World

KEPT, ASKED = "how do I reset my password", "how can I reset my password"


async def hit(world, number=0):
    """One semantic hit, audited: two spellings of a question, in a direction of their own."""
    kept, asked = world.embedder.place(f"{KEPT} {number}", number), world.embedder.place(f"{ASKED} {number}", number, 0.95)
    await world.request(kept)
    said = await world.request(asked)
    await world.semantic.settled()
    return said


async def test_a_share_of_the_hits_is_generated_afresh():
    chance = random.Random(5)
    async with World({"audit_share": 0.3}, random=chance.random, answers={f"{ASKED} 0": f"{KEPT} 0".upper()}) as world:
        world.embedder.place(f"{KEPT} 0")
        world.embedder.place(f"{ASKED} 0", cosine=0.95)
        await world.request(f"{KEPT} 0")
        for _ in range(400):
            assert (await world.request(f"{ASKED} 0")).startswith("semantic")
            await world.semantic.settled()
        assert 0.2 < len(world.generated) / 400 < 0.4
        assert len(world.audited) == len(world.generated)


async def test_an_equal_answer_is_right_without_a_judge():
    async with World({"audit_share": 1.0}, answers={f"{ASKED} 0": f" {KEPT} 0 ".upper()}) as world:
        await hit(world)
        assert [(model, wrong) for model, wrong, _ in world.audited] == [("m", False)]


async def test_another_answer_is_wrong_without_a_judge():
    async with World({"audit_share": 1.0}) as world:
        await hit(world)
        assert [wrong for _, wrong, _ in world.audited] == [True]


@pytest.mark.parametrize(
    ("word", "wrong"),
    [("yes", False), ("Yes.", False), ("<think>no, well</think> yes", False), ("예", False), ("no", True), ("perhaps", True), ("", True)],
)
async def test_the_judge_decides_over_answers_that_differ(word, wrong):
    async with World({"audit_share": 1.0, "judge": "judge"}, verdict=lambda prompt: word) as world:
        await hit(world)
        assert [said for _, said, _ in world.audited] == [wrong]


async def test_the_judge_sees_question_and_both_answers():
    seen = []
    async with World({"audit_share": 1.0, "judge": "judge"}, verdict=lambda prompt: seen.append(prompt) or "yes") as world:
        await hit(world)
    assert f'"{ASKED} 0"' in seen[0]
    assert f'"{KEPT} 0"'.upper() in seen[0]
    assert f'"{ASKED} 0"'.upper() in seen[0]


async def test_audits_wait_until_the_engine_is_idle():
    async with World({"audit_share": 1.0}) as world:
        world.busy = True
        world.embedder.place(KEPT)
        world.embedder.place(ASKED, cosine=0.95)
        await world.request(KEPT)
        asked = world.ask(ASKED)
        assert await world.semantic.find(asked, lambda _: True) is not None
        import asyncio

        await asyncio.sleep(0.25)
        assert world.generated == []
        world.busy = False
        await world.semantic.settled()
        assert len(world.generated) == 1


async def test_an_engine_that_gives_no_fresh_answer_decides_nothing():
    async with World({"audit_share": 1.0}) as world:

        async def nothing(*_):
            return None

        world.semantic.audits.generate = nothing
        await hit(world)
        assert world.audited == []
        assert world.metric("sllm_cache_semantic_comparisons_total", model="m", verdict="undecided") == 1


async def test_an_audit_asks_for_the_whole_request_that_was_answered():
    async with World({"audit_share": 1.0}) as world:
        await hit(world)
        name, body = world.generated[0]
        assert name == "m"
        assert f"{ASKED} 0".encode() in body


async def test_the_first_wrong_hit_turns_the_partition_off_and_says_so(caplog):
    async with World({"audit_share": 1.0}) as world:
        assert (await hit(world)).startswith("semantic")
        assert not (await hit(world, 1)).startswith("semantic")
        assert world.metric("sllm_cache_semantic_partitions_off", model="m") == 1
        (partition,) = world.semantic.report()["partitions"]
        assert partition["serving"] is False
        assert partition["deciding_bound"] > 0.01
    assert "Semantic serving is OFF for model 'm'" in caplog.text
    assert "1 of 1 audited answers were wrong" in caplog.text


async def test_a_partition_that_is_off_proves_itself_and_is_on_again(caplog):
    answers = {}
    async with World({"audit_share": 1.0, "max_false_hit_rate": 0.05}, answers=answers, random=random.Random(1).random) as world:
        await hit(world)
        assert world.semantic.report()["partitions"][0]["serving"] is False
        for number in range(1, 900):
            answers[f"{ASKED} {number}"] = f"{KEPT} {number}".upper()
            if (await hit(world, number)).startswith("semantic"):
                break
        (partition,) = world.semantic.report()["partitions"]
        assert partition["serving"] is True
        assert partition["deciding_bound"] <= 0.05
        assert partition["audits"] > 50
    assert "Semantic serving is on for" in caplog.text


async def test_without_a_calibrated_threshold_a_partition_serves_only_after_it_has_proven_itself():
    answers = {}
    async with World(
        {"audit_share": 1.0, "threshold": None, "max_false_hit_rate": 0.1}, answers=answers, random=random.Random(1).random
    ) as world:
        served_at = None
        for number in range(2000):
            answers[f"{ASKED} {number}"] = f"{KEPT} {number}".upper()
            if (await hit(world, number)).startswith("semantic"):
                served_at = world.audited[-1][2] if world.audited else 1.0
                break
        assert served_at is not None
        assert served_at <= 0.1
        assert len(world.audited) >= audits_needed(0.1)
