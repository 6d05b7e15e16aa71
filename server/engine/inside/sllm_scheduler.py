"""vLLM's scheduler, with batch work stepping aside for the first token of an interactive request.

vLLM's priority decides who leaves the queue first. It does not help one that arrives while lower-priority requests run: its
prompt is computed in the same step as all their next tokens, beside the prompts of the next of them. Measured on two cores
with 64 lines running, that is half of what they add to its first token; the other half is the step that runs when it comes.
Here a step that computes the prompt of a request of priority 0 or better leaves out all requests of a lower priority (a
larger number). They lose that one step, keep their place and their KV cache, and go on.

Without requests of a lower priority every step is vLLM's own. So it is where this vLLM lacks one of the few names that are
used here (0.25 to 0.33 have them), and where the scheduling policy is not `priority`.
"""

from __future__ import annotations

from typing import Any

LONGEST = 8  # steps in a row that lower priorities are left out of; then they get one
FULL = 0.9  # of the KV cache: beyond it vLLM must be free to take room from them
LIMITS = ("max_num_active_reqs", "max_num_running_reqs")  # how many requests may run: 0.32 on, before


def scheduler(*args: Any, **kwargs: Any) -> Any:
    """The engine's scheduler: for --scheduler-cls. Takes what vLLM gives to a scheduler's class."""
    config = kwargs["vllm_config"] if "vllm_config" in kwargs else args[0]
    return _stepping_aside(_own(config))(*args, **kwargs)


def _own(config: Any) -> Any:
    """The class that vLLM would take itself. Raises what vLLM raises."""
    chosen = config.scheduler_config
    named, chosen.scheduler_cls = chosen.scheduler_cls, None
    try:
        if getattr(config, "diffusion_config", None) is not None:  # such models have schedulers of their own
            from vllm.v1.core.sched import diffusion_scheduler as own

            return own.DiffusionAsyncScheduler if chosen.async_scheduling else own.DiffusionScheduler
        return chosen.get_scheduler_cls()
    finally:
        chosen.scheduler_cls = named


def _stepping_aside(base: Any) -> Any:
    """`base` with steps that leave lower priorities out."""

    class SteppingAside(base):  # type: ignore[misc]
        running: Any
        waiting: Any

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.left_out = 0  # steps in a row
            self.limit_name = next((name for name in LIMITS if isinstance(getattr(self, name, None), int)), "")
            self.steps_aside = bool(
                self.limit_name
                and getattr(getattr(self, "policy", None), "value", "") == "priority"
                and type(getattr(self, "running", None)) is list
                and all(hasattr(getattr(self, "waiting", None), name) for name in ("peek_request", "pop_request", "add_request"))
                and hasattr(getattr(self, "kv_cache_manager", None), "usage")
            )

        def schedule(self, *args: Any, **kwargs: Any) -> Any:
            if not (self.steps_aside and self._must_step_aside()):
                self.left_out = 0
                return super().schedule(*args, **kwargs)
            self.left_out += 1
            queue, limit = self.waiting, getattr(self, self.limit_name)
            first = type(queue)()
            while queue and queue.peek_request().priority <= 0:
                first.add_request(queue.pop_request())
            aside = [request for request in self.running if request.priority > 0]
            self.running = [request for request in self.running if request.priority <= 0]
            self.waiting = first
            setattr(self, self.limit_name, limit - len(aside))  # they keep their slots
            try:
                return super().schedule(*args, **kwargs)
            finally:
                setattr(self, self.limit_name, limit)
                self.running += aside
                self.waiting = queue
                if first:  # there was no room for them: the next step is for all
                    self.left_out = LONGEST
                while first:
                    queue.add_request(first.pop_request())

        def _must_step_aside(self) -> bool:
            """Whether this step computes a prompt that somebody waits for, beside requests that nobody waits for."""
            running, queue = self.running, self.waiting
            if self.left_out >= LONGEST or not any(request.priority > 0 for request in running):
                return False
            comes = bool(queue) and len(running) < getattr(self, self.limit_name) and _starts(queue.peek_request())
            if not comes and not any(r.priority <= 0 and r.num_computed_tokens < r.num_prompt_tokens for r in running):
                return False
            return bool(self.kv_cache_manager.usage < FULL)

    SteppingAside.__qualname__ = f"SteppingAside({base.__name__})"
    return SteppingAside


def _starts(request: Any) -> bool:
    """Whether it can be computed now: not one that waits for its grammar, its images or its KV cache from elsewhere."""
    return request.priority <= 0 and request.status.name in ("WAITING", "PREEMPTED")
