"""Layers of keys and values, and who said them. (What they mean is tested in test_settings.py.)"""

from pathlib import Path

import pytest

from server.configfile import Layer, from_environ, line_of, merge, origin, read, show
from server.errors import ConfigError


def test_a_later_layer_wins_key_by_key_and_replaces_lists():
    merged = merge([Layer("f", {"a": {"x": 1, "y": 2}, "l": [1, 2]}), Layer("g", {"a": {"y": 3}, "l": [9]})])
    assert merged == {"a": {"x": 1, "y": 3}, "l": [9]}


def test_the_layers_themselves_are_left_as_they_were():
    below = Layer("f", {"a": {"x": 1}})
    merge([below, Layer("g", {"a": {"x": 2}})])
    assert below.data == {"a": {"x": 1}}


def test_the_origin_of_a_value_is_the_last_layer_that_said_it_or_its_parent():
    layers = [Layer("f", {"a": {"x": 1}, "l": [{"n": 1}]}), Layer("g", {"a": {"y": 1}})]
    found = [origin(layers, loc) for loc in (("a", "x"), ("a", "y"), ("l", 0, "gone"), ("b",))]
    assert [layer.source if layer else None for layer in found] == ["f", "g", "f", None]


def test_a_variable_is_nested_by_its_double_underscores():
    assert from_environ({"SLLM_A__B_C": "1", "PATH": "/bin"}) == [Layer("SLLM_A__B_C", {"a": {"b_c": 1}})]


def test_a_variable_that_is_no_yaml_is_named():
    with pytest.raises(ConfigError, match="SLLM_MODELS: not a YAML value"):
        from_environ({"SLLM_MODELS": "[1"})


def test_the_line_of_a_key_is_found_through_lists_and_anchors(tmp_path: Path):
    path = tmp_path / "f.yaml"
    path.write_text("base: &b\n  x: 1\nmodels:\n  - name: a\n    <<: *b\n  - name: b\n    extra: 2\n")
    assert line_of(path, ("models", 1, "extra")) == 7
    assert line_of(path, ("models", 0, "gone")) == 4
    assert line_of(path, ("none",)) is None
    assert read(path).data["models"][0] == {"name": "a", "x": 1}


def test_a_place_is_shown_as_people_write_it():
    assert show(("models", 0, "adapters", "a")) == "models[0].adapters.a"
