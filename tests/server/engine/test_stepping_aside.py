"""Steps of the engine that leave batch work out, over a scheduler that notes what it is given."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest

from server.engine.inside.sllm_scheduler import FULL, LONGEST, scheduler


class Policy(Enum):
    FCFS = "fcfs"
    PRIORITY = "priority"


class Status(Enum):
    WAITING = 1
    WAITING_FOR_GRAMMAR = 2


@dataclass(order=True)
class Asked:
    priority: int
    name: str
    num_prompt_tokens: int = 10
    num_computed_tokens: int = 0
    status: Status = Status.WAITING


class Queue:
    """As vLLM's PriorityRequestQueue."""

    def __init__(self) -> None:
        self.heap: list[Asked] = []

    def add_request(self, request: Asked) -> None:
        heapq.heappush(self.heap, request)

    def pop_request(self) -> Asked:
        return heapq.heappop(self.heap)

    def peek_request(self) -> Asked:
        return self.heap[0]

    def __bool__(self) -> bool:
        return bool(self.heap)


@dataclass
class Plain:
    """A step takes all that run, then from the queue while there are places; a prompt takes one step."""

    vllm_config: Any
    policy: Policy = Policy.PRIORITY
    running: list[Asked] = field(default_factory=list)
    waiting: Queue = field(default_factory=Queue)
    max_num_active_reqs: int = 4
    kv_cache_manager: Any = field(default_factory=lambda: SimpleNamespace(usage=0.1))

    def schedule(self) -> list[str]:
        while self.waiting and len(self.running) < self.max_num_active_reqs:
            self.running.append(self.waiting.pop_request())
        for request in self.running:
            request.num_computed_tokens = request.num_prompt_tokens
        return sorted(request.name for request in self.running)


def engine(base: type = Plain, **attributes: Any) -> Any:
    config = SimpleNamespace(scheduler_config=SimpleNamespace(scheduler_cls="ours", get_scheduler_cls=lambda: base))
    made = scheduler(vllm_config=config)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def ask(made: Any, *requests: Asked) -> None:
    for request in requests:
        made.waiting.add_request(request)


def with_batch(**attributes: Any) -> Any:
    """Two batch lines run."""
    made = engine(**attributes)
    ask(made, Asked(100, "a"), Asked(100, "b"))
    made.schedule()
    return made


def test_a_step_with_an_interactive_prompt_leaves_batch_lines_out() -> None:
    made = with_batch()
    ask(made, Asked(100, "c"), Asked(0, "i"))
    assert made.schedule() == ["i"]
    assert made.schedule() == ["a", "b", "c", "i"]


def test_a_prompt_in_pieces_keeps_them_out_until_it_is_computed() -> None:
    made = with_batch()
    made.running.append(Asked(0, "i", num_computed_tokens=5))
    assert made.schedule() == ["i"]
    assert made.schedule() == ["a", "b", "i"]


def test_without_an_interactive_prompt_every_step_is_vllms_own() -> None:
    made = with_batch()
    made.running.append(Asked(0, "i", num_computed_tokens=10))
    ask(made, Asked(100, "c"))
    assert made.schedule() == ["a", "b", "c", "i"]


def test_interactive_requests_among_themselves_are_vllms_own() -> None:
    made = engine()
    ask(made, Asked(0, "i"), Asked(-1, "j"))
    assert made.schedule() == ["i", "j"]


def test_lines_that_step_aside_keep_their_places() -> None:
    made = with_batch(max_num_active_reqs=3)
    ask(made, Asked(0, "i"), Asked(0, "j"))
    assert made.schedule() == ["i"]
    assert (len(made.running), made.max_num_active_reqs) == (3, 3)


def test_an_interactive_request_without_a_place_does_not_stop_the_others() -> None:
    made = with_batch(max_num_active_reqs=2)
    ask(made, Asked(0, "i"))
    assert made.schedule() == ["a", "b"]


def test_one_for_which_the_engine_has_no_room_stops_the_others_for_one_step_only() -> None:
    class Full(Plain):
        def schedule(self) -> list[str]:
            return sorted(request.name for request in self.running)

    made = with_batch()
    made.__class__ = type(engine(base=Full))
    ask(made, Asked(0, "i"))
    assert made.schedule() == []
    assert made.schedule() == ["a", "b"]


def test_interactive_prompts_without_end_leave_a_step_to_batch_lines_now_and_then() -> None:
    made = with_batch(max_num_active_reqs=1000)
    steps = []
    for number in range(3 * (LONGEST + 1)):
        ask(made, Asked(0, f"i{number:03}"))
        steps.append("a" in made.schedule())
    assert steps.count(True) == 3


def test_a_request_that_waits_for_its_grammar_stops_nobody() -> None:
    made = with_batch()
    ask(made, Asked(0, "i", status=Status.WAITING_FOR_GRAMMAR))
    assert "a" in made.schedule()


def test_a_full_kv_cache_is_left_to_vllm() -> None:
    made = with_batch(kv_cache_manager=SimpleNamespace(usage=FULL))
    ask(made, Asked(0, "i"))
    assert made.schedule() == ["a", "b", "i"]


def test_a_step_that_fails_puts_everything_back() -> None:
    class Failing(Plain):
        fails = False

        def schedule(self) -> list[str]:
            if self.fails:
                raise ValueError("no")
            return super().schedule()

    made = with_batch(base=Failing)
    made.fails = True
    ask(made, Asked(0, "i"), Asked(100, "c"))
    with pytest.raises(ValueError):
        made.schedule()
    assert [request.name for request in made.running] == ["a", "b"]
    assert [made.waiting.pop_request().name for _ in range(2)] == ["i", "c"]
    assert made.max_num_active_reqs == 4


@pytest.mark.parametrize(
    "other", [{"policy": Policy.FCFS}, {"max_num_active_reqs": None}, {"running": ()}, {"waiting": []}, {"kv_cache_manager": None}], ids=str
)
def test_a_vllm_that_is_made_otherwise_keeps_its_own_steps(other: dict[str, Any]) -> None:
    class Other(Plain):
        def __init__(self, vllm_config: Any) -> None:
            super().__init__(vllm_config)
            for name, value in other.items():
                setattr(self, name, value)

        def schedule(self) -> list[str]:
            return ["vllm's own"]

    assert not engine(base=Other).steps_aside
    assert engine(base=Other).schedule() == ["vllm's own"]


def test_the_older_name_of_the_limit_is_known() -> None:
    class Older(Plain):
        def __init__(self, vllm_config: Any) -> None:
            super().__init__(vllm_config)
            self.max_num_active_reqs = None  # type: ignore[assignment]
            self.max_num_running_reqs = 4

    assert engine(base=Older).limit_name == "max_num_running_reqs"


def test_the_configuration_is_as_it_was_after_vllm_was_asked_for_its_class() -> None:
    made = engine()
    assert made.vllm_config.scheduler_config.scheduler_cls == "ours"
