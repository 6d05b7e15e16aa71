import json
from pathlib import Path

import pytest

from benchmarks.errors import BenchError, BenchUsageError
from benchmarks.prompts.options import PromptOptions
from benchmarks.runs.speculation import SpeculationOptions, natural, run
from benchmarks.runs.speculationreport import lines
from benchmarks.stack import DEMO
from server.settings import load

PROMPTS = PromptOptions(endpoint="chat", dataset="text", input_tokens=40, output_tokens=12)
FAST = {"ngram": 1, "draft_model": 3}  # accepted tokens of each draft


def options(serve: tuple[str, ...], **changed) -> SpeculationOptions:
    usual = {"tokens": (4,), "batches": (1, 2), "requests": 4, "repeat": 2, "prompts": PROMPTS, "suffix_installed": False}
    return SpeculationOptions(serve=serve, **{**usual, **changed})


def rows(made: dict, variant: str) -> list[dict]:
    return [row for row in made["tables"][0]["rows"] if row["variant"] == variant]


def test_each_variant_is_measured_and_the_fastest_becomes_a_configuration_that_the_server_reads(tmp_path, fake, started):
    made = run(options(fake(accepted=FAST)), tmp_path / "result.json")
    assert made["status"] == "complete"
    methods = [start["speculative"].get("method") for start in started()]
    assert methods == [None, "ngram", "draft_model", None]
    assert [row["batch"] for row in rows(made, "draft_model 4")] == [1, 2]
    for row in rows(made, "draft_model 4"):
        assert (row["rate"], row["length"], row["equal"]) == (75.0, 4.0, 100.0)
    assert all(row["length"] is None for row in rows(made, "none"))
    assert set(made["speculation"]["drift"]) == {"1", "2"}
    assert made["speculation"]["best"] == "draft_model 4"
    [model] = load(tmp_path / "speculative.yaml", environ={}).models
    assert Path(model.path or "") == DEMO
    assert model.speculative is not None
    assert (model.speculative.method, model.speculative.tokens) == ("draft_model", 4)
    assert Path(model.speculative.model or "") == DEMO / "draft"
    assert "    method: draft_model" in lines(made)
    assert "`speculative: {method: draft_model, model: models/demo/draft, tokens: 4}`" in made["tables"][0]["note"]


def test_where_none_is_the_fastest_it_says_so_and_writes_no_block(tmp_path, fake):
    (tmp_path / "speculative.yaml").write_text("of an earlier run")
    made = run(options(fake(), methods=("ngram",)), tmp_path / "result.json")
    assert made["speculation"]["best"] is None
    assert lines(made)[0].startswith("no speculation is faster here: leave it off")
    assert not (tmp_path / "speculative.yaml").exists()


def test_answers_that_differ_are_counted(tmp_path, fake):
    made = run(options(fake(other_words=["ngram"]), methods=("ngram",)), tmp_path / "result.json")
    assert [row["equal"] for row in rows(made, "ngram 4")] == [0.0, 0.0]
    assert [row["equal"] for row in rows(made, "none, at the end")] == [100.0, 100.0]


def test_a_variant_that_does_not_start_is_told_with_its_cause_and_the_others_go_on(tmp_path, fake):
    made = run(options(fake(fails=["ngram"], accepted=FAST)), tmp_path / "result.json")
    assert made["status"] == "complete"
    assert rows(made, "ngram 4") == []
    [why] = [row["why"] for row in made["tables"][1]["rows"] if row["what"] == "ngram 4"]
    assert "no kernel for this" in why
    assert made["speculation"]["best"] == "draft_model 4"


def test_what_the_model_does_not_offer_is_told(tmp_path, fake):
    made = run(options(fake(), batches=(1,), repeat=1), tmp_path / "result.json")
    assert {row["what"] for row in made["tables"][1]["rows"]} == {"suffix", "eagle3", "mtp"}


def test_the_same_command_goes_on_with_what_is_missing(tmp_path, fake, started):
    serve = fake(accepted=FAST)
    first = run(options(serve, batches=(2,)), tmp_path / "result.json")
    (tmp_path / "variants/draft_model-4.json").unlink()
    second = run(options(serve, batches=(2,)), tmp_path / "result.json")
    assert [start["speculative"].get("method") for start in started()[4:]] == ["draft_model"]
    assert rows(second, "ngram 4") == rows(first, "ngram 4")
    assert len(second["levels"]) == len(first["levels"])
    assert second["provenance"]["server"] == first["provenance"]["server"]


def test_a_folder_of_other_settings_is_refused(tmp_path, fake):
    serve = fake()
    run(options(serve, methods=("ngram",), batches=(1,), repeat=1), tmp_path / "result.json")
    with pytest.raises(BenchUsageError, match="other settings: name another folder with --out"):
        run(options(serve, methods=("ngram",), batches=(1,), repeat=1, requests=5), tmp_path / "result.json")


def test_a_kept_variant_that_is_damaged_is_told(tmp_path, fake):
    (tmp_path / "variants").mkdir()
    (tmp_path / "variants/none.json").write_text('{"settings"')
    with pytest.raises(BenchUsageError, match=r"none\.json is not what a run kept: remove it"):
        run(options(fake()), tmp_path / "result.json")


def test_every_variant_gets_the_same_prompts_and_no_level_those_of_another(tmp_path, fake):
    run(options(fake(prompts=str(tmp_path / "prompts.jsonl")), methods=("ngram",)), tmp_path / "result.json")
    asked: dict[str, list[str]] = {"": [], "ngram": []}
    for line in (tmp_path / "prompts.jsonl").read_text().splitlines():
        one = json.loads(line)
        asked[one["method"]].append(one["prompt"][0]["content"])
    none, ngram = asked[""], asked["ngram"]
    assert len(none) == 2 * len(ngram)  # at the start and at the end
    assert sorted(none) == sorted(2 * ngram)
    assert len(set(ngram)) == len(ngram) == 8 + 4 * 4  # the warm-up's and those of four levels


def test_without_speculation_there_is_nothing_to_compare_with(tmp_path, fake):
    with pytest.raises(BenchError, match="without speculation there is nothing to compare with"):
        run(options(fake(fails=[None])), tmp_path / "result.json")


def test_a_model_folder_that_is_not_there_is_one_sentence(tmp_path, fake):
    with pytest.raises(BenchUsageError, match=r"no model folder at \./nowhere"):
        run(options(fake(), model="./nowhere"), tmp_path / "result.json")


def test_the_demo_model_is_asked_its_own_questions_and_others_prose(tmp_path):
    assert natural(DEMO, SpeculationOptions()).file == DEMO / "questions/heldout.jsonl"
    other = natural(tmp_path, SpeculationOptions(language="ko"))
    assert (other.dataset, other.language, other.ignore_eos) == ("text", "ko", False)
