"""How far a job is, in words."""

import io

import pytest

from server.offline.progress import Progress, duration


@pytest.mark.parametrize(
    ("seconds", "said"), [(1.46, "1.5 s"), (45, "45 s"), (89, "89 s"), (720, "12 min"), (12_000, "3 h 20 min"), (7140, "119 min")]
)
def test_a_duration_is_said_as_people_do(seconds, said):
    assert duration(seconds) == said


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_without_a_terminal_a_line_comes_every_ten_seconds():
    stream, clock = io.StringIO(), Clock()
    with Progress(1000, stream=stream, clock=clock) as progress:
        for second in range(21):
            clock.now = float(second)
            progress.show(second * 10, 2, second * 500)
    assert stream.getvalue().splitlines() == [
        "100 of 1,000 lines (10.0%), 2 failed, 500 tokens/s, 2 min left",
        "200 of 1,000 lines (20.0%), 2 failed, 500 tokens/s, 80 s left",
    ]


def test_what_a_job_waits_for_is_said_once_and_stays_in_the_lines():
    stream, clock = io.StringIO(), Clock()
    with Progress(10, stream=stream, clock=clock) as progress:
        progress.waits("demo: loading")
        progress.waits("demo: loading")
        clock.now = 10.0
        progress.show(0, 0, 0)
    assert stream.getvalue() == "demo: loading\n0 of 10 lines (0.0%), demo: loading\n"
