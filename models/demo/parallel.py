"""Two processes that learn together, each on its own half of every batch (data parallelism).

PyTorch's own threads share a core's work badly on matrices this small: two processes of one thread each
learn from nearly twice as many tokens a second, two threads of one process do not.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, multiprocessing, nn


@dataclass(frozen=True)
class Team:
    """This process's place among `size` processes."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def average_gradients(self, model: nn.Module, figures: list[float]) -> list[float]:
        """Put the team's mean gradient into every parameter, and return the mean of `figures` over the team."""
        if self.size == 1:
            return figures
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients] + [torch.tensor(figures)])
        distributed.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients] + [len(figures)]), strict=False):
            gradient.copy_(mean.view_as(gradient))
        return [float(x) for x in flat[-len(figures) :]] if figures else []


def together(size: int, work: Callable[..., None], *arguments: Any) -> None:
    """Run `work(team, *arguments)` in `size` processes of one thread each, and wait for all of them."""
    if size == 1:
        _one(0, 1, "", work, arguments)
        return
    with tempfile.NamedTemporaryFile() as meeting:
        multiprocessing.spawn(_one, (size, f"{meeting.name}-point", work, arguments), nprocs=size)


def _one(rank: int, size: int, meeting: str, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    if size > 1:
        distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    try:
        work(Team(rank, size), *arguments)
    finally:
        if size > 1:
            distributed.destroy_process_group()
