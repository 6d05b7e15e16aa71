import json

import pytest

from benchmarks.metrics.acceptance import Acceptance, between, from_dict
from benchmarks.stack import series

BEFORE = """
vllm:spec_decode_num_drafts_total{engine="0",model_name="m"} 10.0
vllm:spec_decode_num_draft_tokens_total{engine="0",model_name="m"} 40.0
vllm:spec_decode_num_accepted_tokens_total{engine="0",model_name="m"} 20.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="m",position="0"} 8.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="m",position="10"} 1.0
vllm:spec_decode_num_accepted_tokens_per_pos_total{engine="0",model_name="m",position="2"} 2.0
"""
AFTER = (
    BEFORE.replace(" 10.0", " 110.0")
    .replace(" 40.0", " 440.0")
    .replace(" 20.0", " 320.0")
    .replace(" 8.0", " 98.0")
    .replace(" 2.0", " 62.0")
)


def counted() -> Acceptance:
    found = between(series(BEFORE), series(AFTER))
    assert found is not None
    return found


def test_only_what_was_counted_between_the_two_readings_counts():
    assert counted() == Acceptance(drafts=100, drafted=400, accepted=300, by_position=(90, 60, 0))


def test_the_length_counts_the_models_own_token_and_the_rate_the_proposed_ones():
    assert counted().rate == pytest.approx(0.75)
    assert counted().length == pytest.approx(4.0)


def test_an_engine_that_does_not_speculate_has_none():
    assert between({}, {"vllm:num_requests_running": 0.0}) is None


def test_without_a_draft_there_is_no_figure():
    idle = between(series(BEFORE), series(BEFORE))
    assert idle is not None
    assert (idle.rate, idle.length, idle.as_dict()["position_rates"]) == (None, None, [])


def test_counts_add_up():
    assert Acceptance(1, 4, 2, (1, 1)) + Acceptance(2, 6, 3, (2, 1, 0)) == Acceptance(3, 10, 5, (3, 2, 0))


def test_it_comes_back_from_its_file():
    assert from_dict(json.loads(json.dumps(counted().as_dict()))) == counted()
