import pytest

from quantize.evaluation import speed
from quantize.evaluation.client import Timing
from quantize.evaluation.options import Options
from quantize.evaluation.speed import Load, Request


def load(*runs):
    return Load(concurrency=2, input_tokens=8, output_tokens=10, runs=runs)


def test_tokens_a_second_are_those_of_the_run_by_its_time_and_the_median_of_the_runs():
    def run(seconds):
        requests = Request(sent=0.0, first=0.1, last=1.0, tokens=10), Request(sent=0.0, first=0.2, last=seconds, tokens=10)
        return requests

    assert load(run(2.0), run(4.0), run(10.0)).tokens_per_second == pytest.approx(20 / 4.0)


def test_time_to_first_token_is_over_all_requests_of_all_runs():
    first = (Request(sent=1.0, first=1.1, last=2.0, tokens=10),)
    second = (Request(sent=0.0, first=0.3, last=2.0, tokens=10),)
    assert load(first, second).ttft(0.5) == pytest.approx(0.2)
    assert load(first, second).ttft(1.0) == pytest.approx(0.3)


class Engine:
    """Streams at once; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    async def stream(self, tokens, length, salt, began):
        self.asked.append((tuple(tokens), length, salt))
        return Timing(0.0, 0.1, 1.0, length)


async def measured(stock, context=2048, **options):
    engine = Engine()
    found = await speed.load(engine, stock, context, 3, Options(**options), lambda _: None)
    return engine, found


async def test_the_warm_up_is_thrown_away():
    engine, found = await measured(range(1000), repeats=2)
    assert [len(run) for run in found.runs] == [12, 12]
    assert len(engine.asked) == 3 + 2 * 12


async def test_prompts_have_one_length_and_no_two_share_a_cached_beginning():
    engine, found = await measured(range(1000), input_tokens=100, output_tokens=7)
    assert {(len(tokens), length) for tokens, length, _ in engine.asked} == {(100, 7)}
    assert len({salt for _, _, salt in engine.asked}) == len(engine.asked)
    assert (found.input_tokens, found.output_tokens) == (100, 7)


async def test_a_short_context_and_a_small_stock_shorten_the_prompts():
    _, found = await measured(range(1000), context=64, output_tokens=64)
    assert (found.input_tokens, found.output_tokens) == (31, 32)
    assert (await measured(range(5)))[1].input_tokens == 5


async def test_prompts_are_drawn_by_the_seed():
    one, other, third = [[a[0] for a in (await measured(range(1000), seed=seed))[0].asked] for seed in (1, 1, 2)]
    assert one == other != third
