"""Two processes that learn together take the same step, on the mean of their gradients."""

import json
from pathlib import Path

import torch
from parallel import Team, together
from torch import nn


def test_one_process_keeps_its_own_gradient():
    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    assert Team().average_gradients(layer, [1.0, 2.0]) == [1.0, 2.0]
    assert torch.equal(layer.weight.grad, torch.ones(1, 2))


def work(team: Team, folder: Path) -> None:
    """Each process has gradient (rank + 1) in every weight, and a figure of its own."""
    layer = nn.Linear(2, 1, bias=False)
    layer(torch.full((1, 2), float(team.rank + 1))).sum().backward()
    figures = team.average_gradients(layer, [10.0 * team.rank])
    (folder / str(team.rank)).write_text(json.dumps([layer.weight.grad.tolist(), figures, team.leads]))


def test_two_processes_see_the_mean_of_gradients_and_figures(tmp_path):
    together(2, work, tmp_path)
    assert json.loads((tmp_path / "0").read_text()) == [[[1.5, 1.5]], [5.0], True]
    assert json.loads((tmp_path / "1").read_text()) == [[[1.5, 1.5]], [5.0], False]
