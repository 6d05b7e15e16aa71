import pytest

from benchmarks.prompts.options import PromptOptions
from benchmarks.runs.latency import LatencyOptions, batch, run

PROMPTS = PromptOptions(endpoint="completions", input_tokens=8, output_tokens=5)


def request(sent: float = 0.0, first: float | None = 0.1, error: str | None = None) -> dict:
    return {"sent": sent, "first": first, "error": error, "output": 5}


def test_each_batch_size_has_its_row_of_as_many_rounds(tmp_path, fake):
    options = LatencyOptions(serve=fake(), batches=(2, 4), prompts=PROMPTS, iterations=3, warm_up=1)
    made = run(options, tmp_path / "result.json")
    assert made["status"] == "complete"
    rows = made["tables"][0]["rows"]
    assert [(row["batch"], row["n"]) for row in rows] == [(2, 3), (4, 3)]
    assert all(row["p10"] <= row["p50"] <= row["p99"] for row in rows)
    assert [level["summary"]["peak_concurrency"] for level in made["levels"]] == [2, 2, 2, 4, 4, 4]


def test_prefill_ends_when_the_last_request_has_its_first_token():
    found = batch({"partial": None, "seconds": 1.0, "requests": [request(0.0, 0.1), request(0.05, 0.3)]})
    assert found is not None
    assert (found.prefill, found.decode, found.tokens) == (0.3, pytest.approx(0.7), 10)


@pytest.mark.parametrize("wrong", [request(error="status 503"), request(first=None)])
def test_a_batch_with_a_failed_request_is_left_out(wrong):
    assert batch({"partial": None, "seconds": 1.0, "requests": [request(), wrong]}) is None
