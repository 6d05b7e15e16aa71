"""The configuration: file, variables, flags, and errors that say what to type."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from server.errors import ConfigError
from server.settings import ROOT, Settings, from_layers, layers, load, parse


def wrong(data: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse({"models": [{"name": "chat", "path": "org/model"}], **data}, where="f")
    return caught.value.message


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sllm.yaml"
    path.write_text(text, encoding="utf-8")
    return path


# What is served


def test_the_empty_configuration_serves_the_demo_model():
    for data in ({}, {"models": []}, {"models": None}):
        assert [(m.name, m.path) for m in parse(data).models] == [("demo", str(ROOT / "models/demo"))]


def test_an_empty_file_serves_the_demo_model(tmp_path: Path):
    assert load(file(tmp_path, "# nothing yet\n"), environ={}) == load(environ={})


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        load(environ={}).gateway.port = 1  # type: ignore[misc]


def test_settings_survive_the_way_through_json():
    said = {"gateway": {"drain_timeout": "1500ms", "max_body": "3MiB"}, "personas": {"p": {"model": "demo", "stop": ["x"]}}}
    settings = parse(said)
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


# Three layers


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path: Path):
    path = file(tmp_path, "gateway: {port: 1, workers: 2, host: a}\n")
    settings = load(path, {"gateway": {"port": 3}}, {"SLLM_GATEWAY__PORT": "2", "SLLM_GATEWAY__WORKERS": "4"})
    assert (settings.gateway.port, settings.gateway.workers, settings.gateway.host) == (3, 4, "a")


def test_a_variable_holds_any_yaml_value():
    settings = load(environ={"SLLM_MODELS": "[{name: a, path: org/a}, {name: b, upstreams: ['http://b:1']}]"})
    assert [m.name for m in settings.models] == ["a", "b"]


def test_an_empty_variable_says_nothing():
    assert load(environ={"SLLM_ENGINE": "", "SLLM_GATEWAY__PORT": " "}) == load(environ={})


def test_the_variable_that_names_llm_compressors_python_is_no_setting():
    assert load(None, environ={"SLLM_LLM_COMPRESSOR": "/opt/python"}) == load(None, environ={})


def test_the_variables_that_kubernetes_makes_for_a_service_are_not_ours():
    services = {"SLLM_PORT": "tcp://10.0.0.1:8000", "SLLM_SERVICE_HOST": "10.0.0.1", "SLLM_PORT_8000_TCP_ADDR": "10.0.0.1"}
    assert load(environ={**services, "SLLM_SERVICE_PORT_HTTP": "8000"}) == load(environ={})


def test_a_wrong_variable_is_named():
    with pytest.raises(ConfigError, match=r"^SLLM_GATEWAY__PROT: unknown key 'gateway.prot': did you mean 'port'\?$"):
        load(environ={"SLLM_GATEWAY__PROT": "1"})


# Paths


def test_a_folder_is_found_beside_the_file_then_in_the_project(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    text = "models:\n- {name: a, path: mine, adapters: {l: mine}}\n- {name: b, path: server}\n- {name: c, path: org/hub}\n"
    settings = load(file(tmp_path, text), environ={})
    assert [m.path for m in settings.models] == [str(tmp_path / "mine"), str(ROOT / "server"), "org/hub"]
    assert settings.models[0].adapters == {"l": str(tmp_path / "mine")}


def test_the_data_folder_is_absolute_and_knows_home():
    assert parse({"gateway": {"data_dir": "~/x"}}).gateway.data_dir == Path.home() / "x"
    assert parse({"gateway": {"data_dir": "x"}}).gateway.data_dir == Path.cwd() / "x"


# Unknown keys, at every depth


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"modles": []}, "f: unknown key 'modles': did you mean 'models'?"),
        ({"gateway": {"prot": 1}}, "f: unknown key 'gateway.prot': did you mean 'port'?"),
        ({"gateway": {"timeouts": {"conect": 1}}}, "f: unknown key 'gateway.timeouts.conect': did you mean 'connect'?"),
        ({"personas": {"p": {"model": "chat", "temprature": 1}}}, "f: unknown key 'personas.p.temprature': did you mean 'temperature'?"),
        ({"models": [{"name": "a", "path": "b", "quant": 1}]}, "f: unknown key 'models[0].quant': did you mean 'quantization'?"),
        (
            {"models": [{"name": "a", "path": "b", "speculative": {"method": "ngram", "tokns": 1}}]},
            "f: unknown key 'models[0].speculative.tokns': did you mean 'tokens'?",
        ),
        ({"restart": {"qqq": 1}}, "f: unknown key 'restart.qqq': known: first, max, attempts"),
    ],
)
def test_an_unknown_key_names_its_place_and_the_nearest_key(data: dict[str, Any], message: str):
    assert wrong(data) == message


# Wrong values


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"engine": "cdua"}, "'engine' must be auto, cuda or cpu, not 'cdua': did you mean 'cuda'?"),
        ({"gateway": {"port": "web"}}, "'gateway.port' must be a whole number, not 'web'"),
        ({"gateway": {"port": 70000}}, "'gateway.port' must be at most 65535, and it is 70000"),
        ({"gateway": {"workers": 0}}, "'gateway.workers' must be at least 1, and it is 0"),
        ({"gateway": {"access_log": "maybe"}}, "'gateway.access_log' must be true or false, not 'maybe'"),
        ({"gateway": {"drain_timeout": "soon"}}, "'gateway.drain_timeout': 'soon' is not a duration: write 500ms, 30s, 5m, 24h or 7d"),
        ({"gateway": None}, "'gateway' must be keys and values (host, port, workers, "),
        ({"models": {"name": "a"}}, "'models' must be a list, not keys and values"),
        ({"models": ["a"]}, "'models[0]' must be keys and values (name, path, "),
        ({"models": [{"path": "a"}]}, "'models[0].name' is missing"),
        ({"models": [{"name": "", "path": "a"}]}, "'models[0].name' is empty"),
        ({"models": [{"name": 7, "path": "a"}]}, "'models[0].name' must be text, not 7"),
        ({"models": [{"name": "a", "path": "b", "adapters": ["c"]}]}, "'models[0].adapters' must be keys and values, not a list"),
        ({"personas": {1: {"model": "chat"}}}, "put the name in quotes"),
        ({"personas": {"p": {"model": "chat", "stop": "x"}}}, "'personas.p.stop' must be a list, not 'x'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(data: dict[str, Any], message: str):
    assert message in wrong(data)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("max_model_len", "autoo", "must be a whole number or auto, not 'autoo': did you mean 'auto'?"),
        ("gpu_memory_utilization", "most", "must be a number or auto, not 'most'"),
        ("kv_cache_memory", "lots", "'lots' is not a size: write 512MiB, 1GiB or a number of bytes (or auto)"),
    ],
)
def test_a_value_of_several_types_is_one_error_not_one_a_type(key: str, value: str, message: str):
    assert (
        wrong({"models": [{"name": "a", "path": "b", key: value}]}) == f"f: 'models[0].{key}'{':' if 'size' in message else ''} {message}"
    )


def test_a_model_has_one_source():
    for model in ({"name": "a"}, {"name": "a", "path": "b", "upstreams": ["http://c"]}):
        assert "model 'a' needs either `path` or `upstreams`, one of the two" in wrong({"models": [model]})


def test_a_draft_method_without_a_draft_says_what_to_add():
    assert "add `model: FOLDER`" in wrong({"models": [{"name": "a", "path": "b", "speculative": {"method": "eagle3"}}]})


def test_one_name_cannot_mean_two_things():
    assert wrong({"personas": {"chat": {"model": "chat"}}}) == "f: the name 'chat' is a model and a persona: rename one"


def test_a_persona_of_an_unknown_model_names_the_known_ones():
    assert "persona 'p' stands on 'caht', which is not a model: one of chat" in wrong({"personas": {"p": {"model": "caht"}}})


def test_many_errors_are_cut_short():
    assert wrong({f"key{i}": 1 for i in range(8)}).endswith("; and 3 more")


# Files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: x", "line 2: expected"),
        ("gateway: {port: 1}\ngateway: {port: 2}\n", "line 2: 'gateway' stands twice, first on line 1"),
        ("models:\n- name: a\n  path: b\n  name: c\n", "line 4: 'name' stands twice, first on line 2"),
        ("gateway:\n  host: a\n  prot: 1\n", "line 3: unknown key 'gateway.prot'"),
        ("models:\n- name: a\n  path: b\n- name: c\n", "line 4: model 'c' needs either"),
        ("- a\n- b\n", "the file must hold keys and values, such as `models:`, and it holds a list"),
        ("a: \0", "not YAML: "),
        ("a: " + "[" * 5000, "not YAML: "),
        ("!!python/object:os.system {}", "line 1: could not determine a constructor"),
    ],
)
def test_an_error_in_a_file_names_the_file_and_the_line(tmp_path: Path, text: str, message: str):
    path = file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, environ={})
    assert caught.value.message.startswith(str(path))
    assert message in caught.value.message


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path):
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    for path, message in (
        (tmp_path / "none.yaml", "no configuration file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "latin.yaml", "not UTF-8"),
    ):
        with pytest.raises(ConfigError, match=message):
            load(path, environ={})


def test_a_name_that_looks_like_a_date_is_text(tmp_path: Path):
    assert load(file(tmp_path, "models: [{name: 2026-01-31, path: org/a}]\n"), environ={}).models[0].name == "2026-01-31"


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path):
    assert load(file(tmp_path, "\ufeffengine: cpu\n"), environ={}).engine == "cpu"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(sorted(Settings.model_fields)), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)) | st.text(max_size=5), json_values, max_size=4))
def test_whatever_is_written_is_settings_or_a_configuration_error(data: dict[str, Any]):
    with contextlib.suppress(ConfigError):
        assert parse(data).models


def test_layers_keep_who_said_what(tmp_path: Path):
    said = layers(file(tmp_path, "engine: cpu\n"), {"gateway": {"port": 5}}, {"SLLM_RESTART__MAX": "9s"})
    assert [layer.source for layer in said] == [str(tmp_path / "sllm.yaml"), "SLLM_RESTART__MAX", "flags"]
    assert from_layers(said).restart.max == 9


# The list of guards

KINDS = "pattern, length, json_schema, pii, secrets, classifier, similarity, llm"


@pytest.mark.parametrize(
    ("guard", "message"),
    [
        ({"kind": "pi"}, f"'guards[0].kind' must be {KINDS} or nemo, not 'pi': did you mean 'pii'?"),
        ({"kind": 7}, f"'guards[0].kind' must be {KINDS} or nemo, not 7"),
        ({"name": "a"}, f"'guards[0].kind' is missing: one of {KINDS}, nemo"),
        ("pii", "'guards[0]' must be keys and values, with `kind: pattern` or another (length, "),
        (
            {"kind": "pii", "action": "blok"},
            "f: 'guards[0].action' must be block, redact, warn or reask, not 'blok': did you mean 'block'?",
        ),
        ({"kind": "pii", "actoin": "block"}, "f: unknown key 'guards[0].actoin': did you mean 'action'?"),
        ({"kind": "pii", "treshold": 1}, "unknown key 'guards[0].treshold': known: kind, name, stage, "),  # another kind's
        ({"kind": "llm", "model": "m", "treshold": 1}, "unknown key 'guards[0].treshold': did you mean 'threshold'?"),
        ({"kind": "json_schema", "json_schema": {}}, "unknown key 'guards[0].json_schema': did you mean 'schema'?"),
        ({"kind": "llm", "policy": "p"}, "'guards[0].model' is missing"),
        ({"kind": "length"}, "f: 'guards[0]': a length guard needs `max_characters`, `max_tokens` or `max_turns`"),
        ({"kind": "pii", "name": "a b"}, "'guards[0].name' must be made of [A-Za-z0-9_.-], not 'a b'"),
        ({"kind": "pii", "name": "a" * 65}, "'guards[0].name' must have at most 64 characters, and it has 65"),
        ({"kind": "pii", "models": "chat"}, "'guards[0].models' must be a list, not 'chat'"),
        ({"kind": "pii", "models": ["chta"]}, "guard 'pii' is for 'chta', which is no model: one of chat"),
        ({"kind": "pii", "timeout": "0s"}, "'guards[0].timeout' must be more than 0"),
        ({"kind": "llm", "model": "m", "policy": "p", "threshold": 2}, "'guards[0].threshold' must be less than 1.0, and it is 2"),
        ({"kind": "pii", "message": 3}, "f: 'guards[0].message' must be text or keys and values, not 3"),
        ({"kind": "pii", "message": {"jp": "x"}}, "f: unknown key 'guards[0].message.jp': known: ko, en"),
        ({"kind": "pii", "message": {"ko": 3}}, "f: 'guards[0].message.ko' must be text, not 3"),
        ({"kind": "pii", "encoded": "yes"}, "'guards[0].encoded' must be input, both or off, not 'yes'"),
        (
            {"kind": "classifier", "model": "m", "labels": {"A": "blok"}},
            "f: 'guards[0].labels.A' must be block, redact, warn, reask or pass, not 'blok': did you mean 'block'?",
        ),
    ],
)
def test_a_wrong_guard_is_told_by_the_keys_that_a_person_wrote(guard: Any, message: str):
    said = wrong({"guards": [guard]})
    assert message in said
    assert said.count("f: ") == 1, "one error, one sentence"


def test_the_line_of_a_wrong_guard_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"sllm\.yaml, line 4: 'guards\[1\]\.action' must be"):
        load(file(tmp_path, "guards:\n- kind: pii\n- kind: secrets\n  action: stop\n"), environ={})


@pytest.mark.parametrize(
    ("guards", "message"),
    [
        ([{"kind": "pii"}, {"kind": "pii"}], "two guards are called 'pii': give one a `name`"),
        ([{"kind": "length", "max_turns": 1, "action": "redact"}], "guard 'length' finds no places in the text that could be cut"),
        ([{"kind": "pii", "action": "reask"}], "guard 'pii': `action: reask` is for json_schema guards"),
    ],
)
def test_guards_that_cannot_be_together_are_refused(guards: list[dict[str, Any]], message: str):
    assert message in wrong({"guards": guards})


def test_guards_survive_the_way_through_json():
    schema = {"kind": "json_schema", "schema": {"type": "object"}, "action": "reask"}
    settings = parse({"guards": [schema, {"kind": "pii", "timeout": "1500ms", "message": {"ko": "안 됩니다."}}]})
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_yaml_reads_off_as_false_and_a_guard_reads_it_as_off():
    assert parse({"guards": [{"kind": "pii", "encoded": False}]}).guards[0].encoded == "off"  # type: ignore[union-attr]


def test_the_files_of_guards_are_found_beside_the_file(tmp_path: Path):
    for name in ("words.txt", "schema.json", "prompt.yaml"):
        (tmp_path / name).write_text("x")
    (tmp_path / "rails").mkdir()
    (tmp_path / "ngram").mkdir()
    text = """guards:
- {kind: pattern, words_file: words.txt}
- {kind: json_schema, schema_file: schema.json}
- {kind: nemo, folder: rails}
- {kind: llm, model: rails, template: ./prompt.yaml}
- {kind: similarity, denied: [a], embedder: ngram}
- {kind: classifier, model: org/hub}
"""
    words, schema, nemo, llm, similarity, classifier = load(file(tmp_path, text), environ={}).guards
    assert words.words_file == str(tmp_path / "words.txt")  # type: ignore[union-attr]
    assert schema.schema_file == str(tmp_path / "schema.json")  # type: ignore[union-attr]
    assert nemo.folder == str(tmp_path / "rails")  # type: ignore[union-attr]
    assert (llm.model, llm.template) == ("rails", str(tmp_path / "prompt.yaml"))  # type: ignore[union-attr]
    assert similarity.embedder == "ngram"  # type: ignore[union-attr]
    assert classifier.model == "org/hub"  # type: ignore[union-attr]
