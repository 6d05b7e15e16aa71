"""The command's course, with a stand-in for measuring; the real engine is in tests/e2e/test_evaluate.py."""

import json
import os
import shutil
import stat

import pytest

from quantize import digest, manifest
from quantize.errors import EvaluationError, MissingLibrary, UsageError
from quantize.evaluation import texts
from quantize.evaluation.options import Options
from quantize.evaluation.run import Model, again, evaluate, unique
from tests.quantize.evaluation.made import measurement


@pytest.fixture
def folder(tmp_path):
    """Makes a model's folder; `base` gives it a manifest that says what it was made from."""

    def make(name, base=None, weights=b"weights"):
        made = tmp_path / name
        made.mkdir(parents=True)
        (made / "model.safetensors").write_bytes(weights)
        if base:
            (made / "sllm.json").write_text(json.dumps(said(base)))
        return Model(made.name, made)

    return make


def said(base, **changes):
    return {
        "format": 1,
        "name": "small",
        "method": "gptq",
        "created": "2026-11-21T00:00:00Z",
        "base": {"name": "demo", "digest": base, "architecture": "LlamaForCausalLM", "weight_bytes": 1},
        "weights": {"digest": "sha256:0", "bytes": 1, "linear_bytes": 1, "linear_bf16_bytes": 4, "bits": 4, "checkpoint": "gptq"},
        "recipe": {"seed": 3},
        "versions": {},
        "cost": {"seconds": 1, "peak_memory_bytes": 1, "predicted_memory_bytes": 1},
        "serve": {"target": "cpu", "engines": []},
        **changes,
    }


class Measure:
    """Gives a measurement of whatever it is asked for; `broken` names cannot be served, `interrupted` ends the command."""

    def __init__(self, broken=(), interrupted=()):
        self.broken, self.interrupted, self.asked, self.options = broken, interrupted, [], None

    def __call__(self, folder, options, say, name):
        self.asked.append(name)
        self.options = options
        if name in self.interrupted:
            raise KeyboardInterrupt
        if name in self.broken:
            raise EvaluationError(f"{name} cannot be measured: no kernel")
        return measurement(name)


def test_the_baseline_is_measured_first_and_once(folder, tmp_path):
    base, small = folder("base"), folder("small")
    measure = Measure()
    outcome = evaluate([small, base], base, Options(), tmp_path / "out", measure=measure)
    assert measure.asked == ["base", "small"]
    assert [result.baseline for result in outcome.results] == ["base", "base"]
    assert outcome.exit_code == 0


def test_everything_is_written(folder, tmp_path):
    outcome = evaluate([folder("small")], folder("base"), Options(), tmp_path / "out", ["sllm", "evaluate", "small"], measure=Measure())
    data = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert data["about"]["command"] == ["sllm", "evaluate", "small"]
    assert data["about"]["options"]["seed"] == 0
    assert data["about"]["versions"]["sllm"]
    assert data["baseline"] == "base"
    assert [file.name for file in outcome.files] == ["evaluation.json", "evaluation.html"]
    assert str(tmp_path) not in (tmp_path / "out/evaluation.json").read_text()


def test_a_model_that_does_not_serve_is_passed_over_and_told(folder, tmp_path):
    outcome = evaluate([folder("bad"), folder("good")], folder("base"), Options(), tmp_path / "out", measure=Measure(broken=("bad",)))
    assert [result.name for result in outcome.results] == ["base", "good"]
    assert outcome.failed == {"bad": "bad cannot be measured: no kernel"}
    assert outcome.exit_code == 1
    assert "no kernel" in (tmp_path / "out/evaluation.html").read_text()


def test_a_baseline_that_does_not_serve_ends_it(folder, tmp_path):
    measure = Measure(broken=("base",))
    with pytest.raises(EvaluationError, match="base cannot be measured: no kernel"):
        evaluate([folder("small")], folder("base"), Options(), tmp_path / "out", measure=measure)
    assert measure.asked == ["base"]


def test_what_was_measured_is_written_when_the_command_is_ended(folder, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        evaluate([folder("small"), folder("late")], folder("base"), Options(), tmp_path / "out", measure=Measure(interrupted=("late",)))
    data = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert [result["name"] for result in data["results"]] == ["base", "small"]


def test_the_baseline_is_found_by_the_manifests(folder, tmp_path):
    base = folder("base", weights=b"original")
    small = folder("small", base=digest.weights(base.folder))
    measure = Measure()
    evaluate([small, base], None, Options(), tmp_path / "out", measure=measure)
    assert measure.asked == ["base", "small"]


def test_variants_of_the_demo_model_are_held_against_it(folder, tmp_path):
    measure = Measure()
    evaluate([folder("small", base=digest.weights(texts.DEMO))], None, Options(), tmp_path / "out", measure=measure)
    assert measure.asked == ["demo", "small"]
    assert measure.options.text == measure.options.questions == texts.DEMO_QUESTIONS


def test_other_models_have_no_baseline_and_no_questions_of_their_own(folder, tmp_path):
    measure = Measure()
    outcome = evaluate([folder("one"), folder("two")], None, Options(), tmp_path / "out", measure=measure)
    assert [result.baseline for result in outcome.results] == [None, None]
    assert (measure.options.text, measure.options.questions) == (texts.PASSAGES, None)


def test_a_bad_line_is_told_before_anything_is_served(folder, tmp_path):
    (tmp_path / "q.jsonl").write_text('{"prompt": "a"}')
    measure = Measure()
    with pytest.raises(EvaluationError, match="line 1"):
        evaluate([folder("one")], None, Options(questions=tmp_path / "q.jsonl"), tmp_path / "out", measure=measure)
    assert measure.asked == []
    assert not (tmp_path / "out").exists()


def test_no_model_and_no_folder(tmp_path):
    with pytest.raises(UsageError, match="no model to evaluate"):
        evaluate([], None, Options(), tmp_path / "out")
    with pytest.raises(EvaluationError, match="no model folder at"):
        evaluate([Model("x", tmp_path / "x")], None, Options(), tmp_path / "out")


def test_an_out_folder_that_is_a_file(folder, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(EvaluationError, match="name another folder with --out"):
        evaluate([folder("one")], None, Options(), tmp_path / "out", measure=Measure())


def test_the_harness_is_missed_before_anything_is_served(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SLLM_HARNESS", str(tmp_path / "nothing"))
    measure = Measure()
    with pytest.raises(MissingLibrary, match="make install-harness"):
        evaluate([folder("one")], None, Options(harness=("x",)), tmp_path / "out", measure=measure)
    assert measure.asked == []


def test_the_result_goes_into_the_manifest_and_other_keys_stay(folder, tmp_path):
    base = folder("base", weights=b"original")
    small = folder("small", base=digest.weights(base.folder))
    written = small.folder / "sllm.json"
    old = {"distribution": "vllm", "version": "0.33.0", "device": "cuda", "date": "d", "passed": True}
    before = said(digest.weights(base.folder), serve={"target": "cpu", "engines": [old]}, of_a_later_version={"a": 1})
    written.write_text(json.dumps(before))
    for _ in range(2):  # a second time does not add the engine again
        evaluate([small], base, Options(), tmp_path / "out", measure=Measure())
    after = json.loads(written.read_text())
    assert after["evaluation"]["logprobs"]["agreement"] == 1.0
    assert [engine["version"] for engine in after["serve"]["engines"]] == ["0.33.0", "0.32.0"]
    assert after["of_a_later_version"] == {"a": 1}
    assert {key: after[key] for key in ("recipe", "weights", "created", "cost")} == {
        k: before[k] for k in ("recipe", "weights", "created", "cost")
    }
    assert manifest.read(small.folder).evaluation["name"] == "small"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_told(folder, tmp_path):
    small = folder("small", base="sha256:1")
    small.folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    outcome = evaluate([small], None, Options(), tmp_path / "out", measure=Measure())
    assert "cannot be written to" in outcome.notes[0]


def test_an_earlier_record_gives_the_same_figures_table_and_page_again(folder, tmp_path):
    outcome = evaluate([folder("small")], folder("base"), Options(), tmp_path / "out", measure=Measure())
    page = (tmp_path / "out/evaluation.html").read_text()
    shutil.copy(tmp_path / "out/evaluation.json", tmp_path / "alone.json")
    second = again(tmp_path / "alone.json", tmp_path / "second")
    assert [result.to_dict() for result in second.results] == [result.to_dict() for result in outcome.results]
    assert (tmp_path / "second/evaluation.html").read_text() == page
    assert (tmp_path / "second/evaluation.json").read_text() == (tmp_path / "alone.json").read_text()
    assert second.exit_code == 0


def test_a_figure_that_does_not_come_out_again_is_told(folder, tmp_path):
    evaluate([folder("small")], folder("base"), Options(), tmp_path / "out", measure=Measure())
    file = tmp_path / "out/evaluation.json"
    data = json.loads(file.read_text())
    data["results"][1]["logprobs"]["perplexity"] = 1.0
    file.write_text(json.dumps(data))
    outcome = again(file)
    assert outcome.exit_code == 1
    assert "logprobs.perplexity differ" in outcome.failed["small"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no file at"),
        ("{", "cannot be read"),
        ("{}", "holds no measurements"),
        ('{"measurements": [{}], "about": {}}', "measurements"),
    ],
)
def test_a_file_that_is_no_record(tmp_path, content, sentence):
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    with pytest.raises(EvaluationError, match=sentence):
        again(tmp_path / "a.json")


def test_models_of_the_same_name_are_told_apart(folder):
    models = [folder("a/gptq"), folder("b/gptq"), folder("int8")]
    assert [model.name for model in unique([*models, models[2]])] == ["a/gptq", "b/gptq", "int8"]
