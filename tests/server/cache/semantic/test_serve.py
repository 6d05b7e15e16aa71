import asyncio

import msgspec
import pytest

from server.cache.semantic.embedders.ngram import NGram
from tests.server.cache.semantic.world import ORIGIN, Angles, World


async def two_alike(world, first="how do I reset my password", second="how can I reset my password", cosine=0.95, **fields):
    """Ask the first, then the second at that similarity; what the second got."""
    world.embedder.place(first)
    world.embedder.place(second, cosine=cosine)
    await world.request(first)
    return await world.request(second, **fields)


async def test_a_question_that_means_the_same_gets_the_kept_answer():
    async with World() as world:
        assert await two_alike(world) == "semantic: HOW DO I RESET MY PASSWORD"
        assert world.decided("served") == 1


async def test_a_question_below_the_threshold_does_not():
    async with World() as world:
        assert await two_alike(world, cosine=0.6) == "HOW CAN I RESET MY PASSWORD"
        assert world.decided("none") == 2


async def test_in_shadow_nothing_is_served_and_the_same_is_decided_and_counted():
    async with World({"mode": "shadow"}, answers={"how can I reset my password": "HOW DO I RESET MY PASSWORD"}) as world:
        assert await two_alike(world) == "HOW DO I RESET MY PASSWORD"
        assert (world.decided("shadow"), world.decided("served")) == (1, 0)
        (partition,) = world.semantic.report()["partitions"]
        assert (partition["audits"], partition["false_hits"], partition["serving"]) == (1, 0, False)


@pytest.mark.parametrize(
    ("kept", "asked"),
    [
        ("how do I enable 2FA", "how do I disable 2FA"),
        ("how do I disable 2FA", "how do I enable 2FA"),
        ("2단계 인증을 켜는 방법", "2단계 인증을 끄는 방법"),
        ("what is 15 percent of 80", "what is 25 percent of 80"),
        ("how do I unlock my account", "how do I lock my account"),
    ],
)
async def test_opposites_are_never_served_at_any_similarity(kept, asked):
    async with World() as world:
        assert await two_alike(world, kept, asked, cosine=0.9999) == asked.upper()
        assert world.decided("gate") == 1


async def test_a_candidate_behind_one_that_a_gate_refused_is_served():
    async with World() as world:
        world.embedder.place("how do I disable 2FA", cosine=0.999)
        world.embedder.place("how can I enable 2FA", cosine=0.97)
        world.embedder.place("how do I enable 2FA")
        await world.request("how do I disable 2FA")
        assert await world.request("how can I enable 2FA") == "HOW CAN I ENABLE 2FA"
        assert await world.request("how do I enable 2FA") == "semantic: HOW CAN I ENABLE 2FA"


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "system", "content": "be rude"}, {"role": "user", "content": "how can I reset my password"}]},
        {"temperature": 1},
        {"max_tokens": 3},
        {"response_format": {"type": "json_object"}},
    ],
    ids=["system prompt", "temperature", "length", "format"],
)
async def test_nothing_is_served_across_what_else_differs(fields):
    async with World() as world:
        assert not (await two_alike(world, **fields)).startswith("semantic")


@pytest.mark.parametrize("field", ["tenant", "namespace", "weights", "adapter", "template", "engine", "persona", "policy"])
async def test_nothing_is_served_across_partitions(field):
    async with World() as world:
        assert not (await two_alike(world, origin=msgspec.structs.replace(ORIGIN, **{field: "other"}))).startswith("semantic")


async def test_requests_with_tools_are_neither_served_nor_learnt():
    tools = [{"type": "function", "function": {"name": "f"}}]
    async with World() as world:
        assert world.ask("how do I reset my password", tools=tools) is None
        assert not (await two_alike(world, tools=tools)).startswith("semantic")


async def test_an_answer_that_did_not_stop_by_itself_is_not_learnt():
    async with World() as world:
        world.embedder.place("how do I reset my password")
        world.embedder.place("how can I reset my password", cosine=0.95)
        await world.request("how do I reset my password", natural=False)
        assert await world.request("how can I reset my password") == "HOW CAN I RESET MY PASSWORD"


async def test_an_entry_that_says_of_itself_that_it_did_not_stop_is_not_served():
    async with World() as world:
        await two_alike(world, cosine=0.5)
        for key, entry in world.entries.items():
            world.entries[key] = msgspec.structs.replace(entry, natural_end=False)
        world.embedder.place("how could I reset my password", cosine=0.97)
        assert not (await world.request("how could I reset my password")).startswith("semantic")


@pytest.mark.parametrize("change", [{"namespace": "other"}, {"model": "other"}])
async def test_an_entry_of_elsewhere_under_a_known_key_is_not_served(change):
    async with World() as world:
        world.embedder.place("how do I reset my password")
        world.embedder.place("how can I reset my password", cosine=0.95)
        await world.request("how do I reset my password")
        for key, entry in world.entries.items():
            world.entries[key] = msgspec.structs.replace(entry, **change)
        assert not (await world.request("how can I reset my password")).startswith("semantic")


async def test_an_entry_that_is_gone_is_not_served_and_its_question_forgotten():
    async with World() as world:
        world.embedder.place("how do I reset my password")
        world.embedder.place("how can I reset my password", cosine=0.95)
        await world.request("how do I reset my password")
        world.entries.clear()
        assert await world.request("how can I reset my password") == "HOW CAN I RESET MY PASSWORD"
        (partition,) = world.semantic.partitions.held.values()
        assert partition.questions == 1


async def test_an_entry_that_the_request_cannot_use_is_not_served():
    async with World() as world:
        assert not (await two_alike(world, usable=lambda entry: False)).startswith("semantic")


async def test_a_served_hit_is_not_learnt_as_a_new_question():
    async with World() as world:
        await two_alike(world)
        (partition,) = world.semantic.partitions.held.values()
        assert partition.questions == 1


async def test_exploring_generates_afresh_and_learns_from_the_answer():
    async with World(luck=[0.0], answers={"how can I reset my password": "how do i reset my PASSWORD"}, verdict=lambda _: "yes",
                     settings={"judge": "judge"}) as world:  # fmt: skip
        assert await two_alike(world, cosine=0.75) == "how do i reset my PASSWORD"
        assert world.decided("explore") == 1
        (partition,) = world.semantic.partitions.held.values()
        assert partition.totals == {"r75": 1}  # learnt from, but it was no hit: it does not count for the bound
        assert world.audited == []


async def test_an_embedder_that_is_down_is_a_miss_and_a_metric():
    async with World() as world:
        await two_alike(world, cosine=0.5)
        world.embedder.down = True
        world.embedder.place("how could I reset my password", cosine=0.99)
        assert not (await world.request("how could I reset my password")).startswith("semantic")
        assert world.decided("unembedded") == 1
        assert world.metric("sllm_cache_semantic_embedder_failures_total", why="down") >= 1


async def test_an_embedder_that_fails_three_times_is_left_alone_for_a_while():
    async with World() as world:
        world.embedder.down = True
        for number in range(5):
            await world.request(world.embedder.place(f"question {number}"))
        asked = world.embedder.asked
        assert asked <= 3
        world.now += 10
        world.embedder.down = False
        await two_alike(world)
        assert world.embedder.asked > asked
        assert world.decided("served") == 1


async def test_an_embedder_that_is_slow_is_a_miss_whose_answer_is_learnt_all_the_same():
    async with World({"deadline": 0.01}) as world:
        world.embedder.place("how do I reset my password")
        world.embedder.place("how can I reset my password", cosine=0.95)
        released = asyncio.Event()
        world.embedder.delay = released.wait
        first = asyncio.create_task(world.request("how do I reset my password"))
        while world.decided("unembedded") == 0:
            await asyncio.sleep(0.001)
        released.set()
        assert await first == "HOW DO I RESET MY PASSWORD"
        world.embedder.delay = None
        assert (await world.request("how can I reset my password")).startswith("semantic")


async def test_the_same_question_at_once_is_embedded_once():
    async with World() as world:
        text = world.embedder.place("how do I reset my password")
        asked = [world.ask(text) for _ in range(20)]
        await asyncio.gather(*(world.semantic.find(one, lambda _: True) for one in asked))
        assert world.embedder.asked == 1


async def test_another_worker_on_the_same_store_knows_the_questions_and_the_counts():
    async with World(answers={"how can I reset my password": "no"}, settings={"audit_share": 1.0}) as first:
        await two_alike(first)
        await first.semantic.settled()
        async with World(embedder=first.embedder, storage=first.storage) as second:
            second.entries = first.entries
            first.embedder.place("how could I reset my password", cosine=0.97)
            asked = second.ask("how could I reset my password")
            assert await second.semantic.find(asked, lambda _: True) is None  # the audit was wrong: off
            assert second.decided("off") + second.decided("explore") == 1
            (partition,) = second.semantic.report()["partitions"]
            assert (partition["audits"], partition["false_hits"], partition["serving"]) == (1, 1, False)
            assert partition["questions"] == 1


async def test_a_store_that_is_down_is_a_miss():
    from server.cache.stores.base import StoreDown

    async with World() as world:

        async def down(*_):
            raise StoreDown("the test says so")

        world.storage.questions = down
        world.storage.add_counts = down
        assert not (await two_alike(world)).startswith("semantic")  # the counts are not known, so it may be turned off
        assert world.decided("off") == 1


async def test_the_oldest_question_goes_when_a_partition_is_full():
    async with World({"max_questions": 2}) as world:
        for number, text in enumerate(("alpha apples", "beta bananas", "gamma cherries")):
            await world.request(world.embedder.place(text, direction=number))
        (partition,) = world.semantic.partitions.held.values()
        assert partition.questions == 2
        assert all("alpha apples" not in shelf.texts.values() for shelf in partition.shelves.values())


async def test_the_ngram_embedder_serves_what_differs_in_spelling():
    async with World({"threshold": 0.85}, embedder=NGram()) as world:
        await world.request("How do I reset my password on the website?")
        assert (await world.request("how do i reset my password on the website")).startswith("semantic")
        assert not (await world.request("What is the capital of France?")).startswith("semantic")


async def test_an_embedder_that_cannot_start_leaves_every_question_a_miss_and_says_why(caplog):
    from server.errors import StartError

    class Broken(Angles):
        async def open(self):
            raise StartError("install it")

    async with World(embedder=Broken()) as world:
        assert not (await two_alike(world)).startswith("semantic")
        assert world.semantic.report()["problem"] == "install it"
    assert "install it" in caplog.text
