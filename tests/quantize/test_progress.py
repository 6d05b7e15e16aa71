"""What is shown while a model is quantized, by a clock that the test turns."""

from __future__ import annotations

import io

import pytest

from quantize.children import Memory
from quantize.progress import Bar, Progress, Where


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.mark.parametrize(
    ("done", "total", "seconds", "left"),
    [(2, 8, 10, 30.0), (4, 8, 10, 10.0), (8, 8, 10, 0.0), (1, 8, 10, None), (0, 8, 10, None), (1, 1, 10, 0.0)],
)
def test_time_left_is_as_fast_as_it_went_and_unsaid_after_one_layer(done: int, total: int, seconds: float, left: float | None):
    assert Where("quantizing", began=100, done=done, total=total).left(100 + seconds) == left


def test_a_line_says_layer_time_left_and_memory():
    where = Where("quantizing", began=0, done=2, total=8, memory=Memory(2**30, 2**31))
    assert where.parts(20) == ["layer 2 of 8", "1m 00s left", "memory 1.0 GiB, highest 2.0 GiB"]


def test_lines_come_for_every_phase_and_for_layers_every_few_seconds(clock: Clock, stream: io.StringIO):
    progress = Progress(stream, clock)
    progress.phase("quantizing")
    for done in range(1, 9):
        clock.now += 2
        progress.layers(done, 8)
    assert stream.getvalue().splitlines() == [
        "quantizing",
        "quantizing: layer 3 of 8, 10s left",
        "quantizing: layer 6 of 8, 4s left",
        "quantizing: layer 8 of 8",
    ]


def test_a_bar_leaves_one_line_for_every_phase_that_is_over(clock: Clock, stream: io.StringIO):
    with Bar(stream, clock) as bar:
        bar.phase("loading")
        clock.now += 3
        bar.phase("quantizing")
        bar.layers(1, 2)
        bar.memory(Memory(2**20, 2**21))
        clock.now += 70
        bar.stop()
        bar.note("[2 of 3] awq")  # no markup
    lines = [line.strip() for line in stream.getvalue().splitlines() if line.strip()]
    assert lines == ["loading took 3s", "quantizing took 1m 10s, memory at most 2.0 MiB", "[2 of 3] awq"]


def test_a_bar_says_which_phase_failed(clock: Clock, stream: io.StringIO):
    def work() -> None:
        with Bar(stream, clock) as bar:
            bar.phase("loading")
            clock.now += 3
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert "loading ended after 3s" in stream.getvalue()
