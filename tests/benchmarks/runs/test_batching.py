import json

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.loadgen.records import Request
from benchmarks.prompts.options import PromptOptions
from benchmarks.runs.batching import BatchingOptions, limited, run
from benchmarks.runs.batchreport import said

PROMPTS = PromptOptions(endpoint="completions", input_tokens=8)


def options(**changed) -> BatchingOptions:
    return BatchingOptions(
        **{"requests": 12, "batch": 4, "low": 2, "high": 24, "prompts": PROMPTS, "repeat": 1, "max_wait": 0.01, **changed}
    )


def test_the_same_requests_go_through_all_three_at_once_and_arriving(tmp_path, fake, started):
    made = run(options(serve=fake()), tmp_path / "result.json")
    assert made["status"] == "complete"
    rows = made["tables"][0]["rows"]
    assert [(row["load"], row["mode"]) for row in rows] == [
        (way, mode) for way in ("all at once", "arriving") for mode in ("static", "dynamic", "continuous")
    ]
    assert started()[0]["flags"] == ["--max-num-seqs", "4"]
    at_once = [[request["output"] for request in level["requests"]] for level in made["levels"][:3]]
    assert at_once[0] == at_once[1] == at_once[2]
    assert len(set(at_once[0])) > 3
    assert {picture["title"] for picture in made["pictures"]} >= {
        "How full the engine was, all at once",
        "How full the engine was, arriving",
    }


def test_all_at_once_a_full_static_batch_waits_for_the_one_before_and_continuous_does_not(tmp_path, fake):
    made = run(options(serve=fake()), tmp_path / "result.json")
    by_mode = {row["mode"]: row for row in made["tables"][0]["rows"] if row["load"] == "all at once"}
    assert by_mode["static"]["wait_p50"] > by_mode["continuous"]["wait_p50"]
    assert by_mode["continuous"]["decoding"] > by_mode["static"]["decoding"]


def test_latencies_hold_the_wait_in_front_of_the_engine(tmp_path, fake):
    made = run(options(serve=fake()), tmp_path / "result.json")
    static = made["levels"][0]
    assert {request["sent"] for request in static["requests"]} == {0.0}
    assert max(request["first"] for request in static["requests"]) * 1000 >= static["batching"]["wait_ms"]["p99"]


def test_slots_of_the_users_stay(tmp_path, fake, started):
    run(options(serve=fake(), flags=("--max-num-seqs", "2")), tmp_path / "result.json")
    assert started()[0]["flags"] == ["--max-num-seqs", "2"]


def test_only_the_length_of_the_answer_is_changed():
    request = limited(Request("/v1/completions", b'{"prompt":"x","max_tokens":256}', 1, 256), 17)
    assert (json.loads(request.body), request.output_tokens) == ({"prompt": "x", "max_tokens": 17}, 17)


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({"batch": 1}, "--batch 1"),
        ({"requests": 3}, "--requests 3"),
        ({"low": 9, "high": 8}, "--output-tokens 9:8"),
        ({"rate": 0.0}, "--rate 0"),
        ({"max_wait": -1.0}, "--max-wait -1"),
        ({"share": 0.0}, "--share 0"),
    ],
)
def test_what_cannot_be_run_names_its_flag(tmp_path, changed, flag):
    with pytest.raises(BenchUsageError, match=flag):
        run(options(**changed), tmp_path / "result.json")


def row(mode: str, output: float, latency: float, decoding: float) -> dict:
    return {"load": "all at once", "mode": mode, "output": output, "e2e_p50": latency, "decoding": decoding}


def test_the_paragraph_is_made_of_the_figures():
    assert said([row("static", 1000, 500, 4.0), row("dynamic", 1250, 400, 5.0), row("continuous", 2000, 250, 7.5)]) == (
        "With all requests there at once, continuous batching brought 2,000 output tokens/s, 2.00 times that of static and 1.60 times that "
        "of dynamic batching; the median latency was 250 ms against 500 and 400; on average 7.5 requests were decoding against 4.0 and 5.0."
    )


def test_without_continuous_there_is_nothing_to_say():
    assert said([row("static", 1000, 500, 4.0)]) == ""
