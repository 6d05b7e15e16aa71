"""`sllm config show` and the warnings of `check`."""

from pathlib import Path

import yaml

from server.settings import from_layers, layers, parse
from server.terminal.configuration import as_yaml, warnings


def test_what_is_shown_reads_back_as_the_same_configuration(tmp_path: Path):
    data = {
        "models": [
            {"name": "a", "path": "x/y", "engine_args": {"l": [1, "2"], "d": {"e": True}}},
            {"name": "on", "upstreams": ["http://h:1"]},
        ],
        "personas": {"시인": {"model": "a", "system": "첫 줄\n둘째 # 줄: '따옴표'"}, "on2": {"model": "on", "stop": ["\n"]}},
        "gateway": {"drain_timeout": "90s", "data_dir": str(tmp_path)},
    }
    settings = parse(data)
    assert parse(yaml.safe_load(as_yaml(settings, []))) == settings


def test_a_value_says_who_set_it_and_a_default_says_nothing(tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text("gateway: {port: 9}\nrestart: {attempts: 1}\n")
    said = layers(path, {"gateway": {"workers": 2}}, {"SLLM_RESTART__ATTEMPTS": "3"})
    lines = as_yaml(from_layers(said), said).splitlines()
    assert f"  port: 9  # {path}" in lines
    assert "  workers: 2  # flags" in lines
    assert "  attempts: 3  # SLLM_RESTART__ATTEMPTS" in lines
    assert "  host: 127.0.0.1" in lines


def test_a_missing_folder_is_a_warning_and_a_hub_id_is_not(tmp_path: Path):
    models = [
        {"name": "a", "path": str(tmp_path / "none"), "adapters": {"l": "./none"}, "chat_template": "t.jinja"},
        {"name": "b", "path": "org/model", "adapters": {"k": "org/lora"}},
        {"name": "c", "path": str(tmp_path)},
    ]
    found = warnings(parse({"models": models}))
    assert [w.split(":")[0] for w in found] == ["models[0].path", "models[0].chat_template", "models[0].adapters.l"]


def test_a_hub_like_name_below_a_folder_that_exists_is_meant_as_a_folder():
    assert warnings(parse({"models": [{"name": "a", "path": "models/dmeo"}]})) != []


def test_a_guards_model_that_is_a_missing_folder_is_told_and_a_name_is_not():
    guards = [
        {"kind": "classifier", "name": "a", "model": "./no/such"},
        {"kind": "classifier", "name": "b", "model": "org/on-the-hub"},
        {"kind": "similarity", "name": "c", "denied": ["x"], "embedder": "no/such/folder"},
        {"kind": "similarity", "name": "d", "denied": ["x"], "embedder": "ngram"},
        {"kind": "similarity", "name": "e", "denied": ["x"], "embedder": "http://h/v1", "embedder_model": "m"},
    ]
    told = [warning.partition(" (")[0] for warning in warnings(parse({"guards": guards}))]
    assert told == ["guards[0].model: there is no ./no/such", "guards[2].embedder: there is no no/such/folder"]
