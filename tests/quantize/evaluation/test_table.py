import pytest

from quantize.evaluation.compare import compare
from quantize.evaluation.table import table
from tests.quantize.evaluation.made import load, measurement


def results(*names):
    base = measurement("demo", loads=(load(1, 100.0), load(8, 700.0)))
    others = [measurement(name, loads=(load(1, 12345.0), load(8, 123456.0))) for name in names]
    return [compare(each, base) for each in (base, *others)]


@pytest.mark.parametrize("name", ["gptq", "a-model-with-quite-a-long-name-w8a8-dynamic"])
def test_it_fits_a_hundred_columns_and_needs_no_colour(name):
    shown = table(results(name))
    assert max(map(len, shown.splitlines())) <= 100
    assert "\x1b" not in shown
    assert "points apart" in shown
    for head in ("perplexity", "exact match", "TTFT p50", "p95"):
        assert head in shown, shown


def test_every_model_and_concurrency_has_its_row():
    shown = table(results("gptq", "int8"))
    assert "demo *" in shown
    assert shown.count("gptq") == 2
    assert sum("12,345" in line for line in shown.splitlines()) == 2
    assert sum("123,456" in line for line in shown.splitlines()) == 2


def test_what_was_not_measured_is_a_dash():
    bare = measurement("bare", positions=None, answers=(), loads=())
    line = next(line for line in table([compare(bare)]).splitlines() if "bare" in line)
    assert line.split()[-5:] == ["-"] * 5


def test_a_task_of_the_harness_is_a_row():
    shown = table([compare(measurement(harness={"capitals": {"acc": 0.75, "acc_stderr": 0.1}}))])
    assert "capitals" in shown
    assert "0.7500" in shown


def test_colour_is_only_added():
    assert "\x1b" in table(results("gptq"), colour=True)
