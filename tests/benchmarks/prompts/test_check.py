from __future__ import annotations

from typing import Any

from benchmarks.loadgen.records import Delay, Level, Load, Record
from benchmarks.prompts.check import count_tokens, together
from tests.benchmarks.prompts.words import WordTokenizer

DELAY = Delay(0, 0, 0, 0, 0, 0, 0)


def record(text: str, usage: int | None, events: int = 0, **more: Any) -> Record:
    return Record(0, text=text, completion_tokens=usage, times=[0.1] * events, status=200, finish_reason="length", **more)


async def checked(*records: Record, sample: int = 32) -> dict[str, Any]:
    return await count_tokens(Level(Load("closed", 1), list(records), 1.0, "", DELAY), WordTokenizer(), sample)


async def test_equal_counts_agree():
    found = await checked(record("a b c", 3, 3), record("a b", 2, 2))
    assert (found["checked"], found["equal"], found["largest_difference"], found["agrees"]) == (2, 2, 0, True)
    assert found["tokenizer"] == "words"
    assert found["note"] == "2 of 2 answers have as many tokens as usage says"


async def test_the_token_that_ends_an_answer_is_no_difference():
    ended = record("a b c", 4, 3)
    ended.finish_reason = "stop"
    assert (await checked(ended))["equal"] == 1


async def test_a_text_that_is_shorter_in_other_tokens_is_explained_by_its_events():
    found = await checked(record("a b c", 60, 60), record("a b c", 3, 3))
    assert (found["equal"], found["largest_difference"], found["mean_difference"]) == (1, 57, 28.5)
    assert found["agrees"] is True
    assert "other splits of the same letters" in found["note"]


async def test_several_tokens_in_one_event_are_explained_by_the_text():
    assert (await checked(record("a b c d e f", 6, 2)))["agrees"] is True


async def test_a_server_that_counts_too_little_is_told():
    found = await checked(record("w " * 50, 25, 50))
    assert found["agrees"] is False
    assert "25 of 25 tokens are explained by neither" in found["note"]


async def test_a_server_that_counts_events_of_several_tokens_is_told():
    found = await checked(record("w " * 60, 6, 6))
    assert (found["unexplained"], found["agrees"]) == (34, False)


async def test_a_model_that_writes_unusual_tokens_is_believed():
    assert (await checked(record("w " * 70, 64, 64)))["unexplained"] == 0


async def test_a_server_that_counts_too_much_is_told():
    assert (await checked(record("w " * 50, 100, 50)))["agrees"] is False


async def test_half_letters_may_count_more_than_they_were():
    assert (await checked(record("w � � �", 2, 2)))["agrees"] is True


async def test_failed_answers_and_those_without_usage_are_not_counted():
    found = await checked(record("a", None, 1), record("a b", 9, 1, error="ended early"))
    assert (found["checked"], found["agrees"], found["mean_difference"]) == (0, None, None)
    assert "no answer came with a usage count" in found["note"]


async def test_a_sample_is_spread_over_the_level():
    records = [record("a " * (n + 1), n + 1, n + 1) for n in range(100)]
    found = await checked(*records, sample=4)
    assert (found["checked"], found["output_tokens"]) == (4, 1 + 26 + 51 + 76)


async def test_prompts_of_another_length_are_told():
    found = await checked(record("a", 1, 1, input_tokens=8, prompt_tokens=8), record("a", 1, 1, input_tokens=8, prompt_tokens=9))
    assert (found["prompts_checked"], found["prompts_equal"]) == (2, 1)
    assert "1 of 2 prompts had another length for the server" in found["note"]


async def test_levels_add_up():
    both = together([await checked(record("a b", 2, 2)), await checked(record("a b", 9, 9), record("a", 1, 1))])
    assert both is not None
    assert (both["checked"], both["equal"], both["largest_difference"], both["mean_difference"]) == (3, 2, 7, 2.333)
    assert (both["output_tokens"], both["agrees"], both["tokenizer"]) == (12, True, "words")
    assert together([]) is None


async def test_an_answer_as_long_as_asked_for_is_explained_whatever_text_it_left():
    assert (await checked(record("one two", 9, 2, output_limit=9)))["unexplained"] == 0
    assert (await checked(record("one two", 9, 2, output_limit=12)))["unexplained"] == 6
