from benchmarks.prompts.options import PromptOptions
from benchmarks.reports import document
from benchmarks.runs.throughput import ThroughputOptions, run

PROMPTS = PromptOptions(endpoint="completions", input_tokens=8, output_tokens=5)


def test_every_request_is_sent_at_once_in_each_round_and_counted(tmp_path, fake):
    made = run(ThroughputOptions(serve=fake(), requests=12, prompts=PROMPTS, repeat=2), tmp_path / "result.json")
    assert made["status"] == "complete"
    assert [level["summary"]["output_tokens"] for level in made["levels"]] == [60, 60]
    assert made["levels"][0]["summary"]["peak_concurrency"] == 12
    [row] = made["tables"][0]["rows"]
    assert row["lowest"] <= row["output"] <= row["highest"]
    assert row["start"] > 0
    assert document.load(tmp_path / "result.json")["tables"] == made["tables"]


def test_no_token_is_sent_on_its_own(tmp_path, fake, started):
    run(ThroughputOptions(serve=fake(), requests=2, prompts=PROMPTS), tmp_path / "result.json")
    assert started()[0]["flags"] == ["--stream-interval", "5"]


def test_with_stream_or_an_interval_of_the_users_the_flag_is_left_alone(tmp_path, fake, started):
    run(ThroughputOptions(serve=fake(), requests=2, prompts=PROMPTS, stream=True), tmp_path / "a.json")
    run(ThroughputOptions(serve=fake(), requests=2, prompts=PROMPTS, flags=("--stream-interval=3",)), tmp_path / "b.json")
    assert [start["flags"] for start in started()] == [[], ["--stream-interval=3"]]


def test_an_engine_that_dies_leaves_a_partial_result(tmp_path, fake):
    made = run(ThroughputOptions(serve=fake(dies_after=14), requests=12, prompts=PROMPTS), tmp_path / "result.json")
    assert made["status"] == "partial"
    assert "the engine ended" in made["note"]
    summary = document.load(tmp_path / "result.json")["levels"][0]["summary"]["requests"]
    assert summary["failed"] > 0
    assert summary["completed"] + summary["failed"] == summary["sent"]
