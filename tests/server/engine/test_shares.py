from typing import Any

import pytest

from server.engine.shares import GIB, WHOLE, Need, gpu_shares
from server.errors import StartError

CHAT_8B, CHAT_1B, EMBED = Need("generate", 16 * GIB), Need("generate", 2 * GIB), Need("embed", GIB)


def test_a_single_engine_is_left_to_vllm() -> None:
    assert gpu_shares({"a": CHAT_8B}, 80 * GIB) == {"a": None}


def test_every_engine_has_room_for_its_weights_and_nothing_is_given_twice() -> None:
    needs = {"big": CHAT_8B, "small": CHAT_1B, "embed": EMBED}
    shares: Any = gpu_shares(needs, 40 * GIB)
    assert sum(shares.values()) == pytest.approx(WHOLE, abs=0.01)
    assert all(shares[name] * 40 * GIB > need.weights for name, need in needs.items())
    assert shares["big"] > shares["small"] > shares["embed"]


def test_the_rest_goes_to_the_kv_caches_of_chat_models_in_equal_parts() -> None:
    shares: Any = gpu_shares({"a": CHAT_1B, "b": CHAT_1B, "embed": EMBED}, 80 * GIB)
    assert shares["a"] == shares["b"] > 0.4
    assert shares["embed"] * 80 == pytest.approx(2.1, abs=0.1)


def test_weights_that_do_not_fit_together_are_said_before_anything_starts() -> None:
    with pytest.raises(StartError, match=r"need 37\.2 GiB and the GPU has 22\.1 GiB"):
        gpu_shares({"a": CHAT_8B, "b": CHAT_8B}, 24 * GIB)


@pytest.mark.parametrize(
    ("needs", "shares"),
    [
        ({"a": CHAT_8B, "b": CHAT_1B}, {"a": 0.46, "b": 0.46}),
        ({"a": CHAT_8B, "e": EMBED}, {"a": 0.84, "e": 0.08}),
        ({"e": EMBED, "f": EMBED}, {"e": 0.46, "f": 0.46}),
    ],
)
def test_a_gpu_of_unknown_size_is_divided_evenly(needs: Any, shares: Any) -> None:
    assert gpu_shares(needs, 0) == pytest.approx(shares, abs=0.002)
