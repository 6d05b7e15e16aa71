import pytest

from server.engine.planner import gpus
from server.errors import UsageError


@pytest.mark.parametrize("name", ["h200", "H200", "NVIDIA H200", "nvidia-h200"])
def test_a_card_by_the_names_that_people_write(name: str):
    assert gpus.memory(name) == 143771 * 2**20


@pytest.mark.parametrize(("name", "mib"), [("RTX 4090", 24564), ("4090", 24564), ("a100", 81920), ("A100 40GB", 40960), ("l40s", 46068)])
def test_cards_with_several_spellings(name: str, mib: int):
    assert gpus.memory(name) == mib * 2**20


def test_an_unknown_card_names_the_nearest():
    with pytest.raises(UsageError, match=r"no GPU called 'h201': did you mean 'h20"):
        gpus.memory("h201")


def test_bigger_cards_from_small_to_large():
    assert gpus.bigger(70 * 2**30) == ["h100", "rtxpro6000", "h200", "b200"]
