"""Which models are served."""

from pathlib import Path

import pytest

from server.errors import ModelNotFound, StartError, UsageError
from server.settings import Settings, parse
from server.terminal.choose import base_url, checkpoint, choose, upstream_models
from server.terminal.start import over_upstreams, overrides

TWO = parse(
    {
        "models": [{"name": "chat", "path": "org/chat", "adapters": {"support": "org/lora"}}, {"name": "embed", "path": "org/embed"}],
        "personas": {"poet": {"model": "support"}, "other": {"model": "embed"}},
    }
)


def names(settings: Settings) -> list[str]:
    return [m.name for m in settings.models]


def test_without_a_name_all_models_of_the_configuration_are_served():
    assert choose(TWO, None, {}) == TWO


def test_a_name_of_the_configuration_is_served_alone_with_the_personas_that_stand_on_it():
    chosen = choose(TWO, "chat", {})
    assert names(chosen) == ["chat"]
    assert list(chosen.personas) == ["poet"]


def test_a_hub_id_is_served_under_the_id_as_typed():
    model = choose(TWO, "Qwen/Qwen3-0.6B", {}).models[0]
    assert (model.name, model.path) == ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B")


def test_a_folder_is_served_under_its_own_name(tmp_path: Path):
    (tmp_path / "my-model").mkdir()
    model = choose(TWO, f"{tmp_path}/my-model/", {}).models[0]
    assert (model.name, model.path) == ("my-model", str(tmp_path / "my-model"))


def test_a_persona_stands_on_whatever_is_served_under_its_models_name(tmp_path: Path):
    (tmp_path / "support").mkdir()
    settings = parse(
        {"models": [{"name": "x", "path": "a/b", "adapters": {"support": "l"}}], "personas": {"support2": {"model": "support"}}}
    )
    assert list(choose(settings, str(tmp_path / "support"), {}).personas) == ["support2"]


@pytest.mark.parametrize("wanted", ["caht", "./nope", "/no/folder", "~/nope", "a/b/c", "models/x.gguf"])
def test_what_is_neither_is_an_error_that_names_the_three_ways(wanted: str):
    with pytest.raises(ModelNotFound, match=r"not a folder, not a hub id such as .* not a model of the configuration"):
        choose(TWO, wanted, {})


@pytest.mark.parametrize(
    ("name", "start", "said"), [("m.gguf", b"GGUF\x03", "is a GGUF file"), ("model.safetensors", b"\0" * 8, "is a file, not a model")]
)
def test_a_file_is_told_what_it_is_and_what_to_give_instead(tmp_path: Path, name: str, start: bytes, said: str):
    (tmp_path / name).write_bytes(start)
    with pytest.raises(ModelNotFound, match=f"{name} {said}.*give the folder"):
        choose(Settings(), str(tmp_path / name), {})


def test_a_mistyped_name_is_told_the_nearest():
    with pytest.raises(ModelNotFound, match="did you mean 'chat'"):
        choose(TWO, "caht", {})


def test_engine_flags_are_added_to_the_one_model_and_win_over_its_own():
    settings = parse({"models": [{"name": "a", "path": "b", "engine_args": {"seed": 1, "x": 2}}]})
    assert choose(settings, None, {"seed": "7"}).models[0].engine_args == {"seed": "7", "x": 2}


def test_engine_flags_beside_several_models_point_to_the_file():
    with pytest.raises(UsageError, match=r"need one model, and there are 2 \(chat, embed\): use `engine_args:` in the file"):
        choose(TWO, None, {"seed": "7"})


def test_servers_with_the_same_model_are_its_replicas():
    served = {"http://a:1": ["chat", "lora"], "http://b:1": ["chat"]}
    models = upstream_models(["a:1", "http://b:1/v1/"], None, served.__getitem__)
    assert [(m.name, m.upstreams) for m in models] == [("chat", ("http://a:1", "http://b:1")), ("lora", ("http://a:1",))]


def test_servers_are_not_asked_when_their_model_is_named():
    def ask(url: str) -> list[str]:
        raise AssertionError(url)

    assert upstream_models(["http://a:1", "http://a:1/v1"], "chat", ask)[0].upstreams == ("http://a:1",)


@pytest.mark.parametrize(
    ("typed", "base"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("http://h:1/v1/", "http://h:1"),
        ("https://h/prefix/v1", "https://h/prefix"),
        ("unix:/run/x.sock", "unix:/run/x.sock"),
    ],
)
def test_an_address_is_taken_as_people_write_it(typed: str, base: str):
    assert base_url(typed) == base


@pytest.mark.parametrize("typed", ["ftp://h", "http://", ""])
def test_what_is_no_address_is_wrong_usage(typed: str):
    with pytest.raises(UsageError, match=r"write http://host:port"):
        base_url(typed)


def test_the_gateway_alone_wants_upstreams():
    with pytest.raises(UsageError, match="add --upstream"):
        over_upstreams(TWO, [], None)
    configured = parse({"models": [{"name": "a", "upstreams": ["http://h:1"]}]})
    assert over_upstreams(configured, [], None) == configured


def test_an_upstream_that_does_not_answer_says_what_to_check():
    with pytest.raises(StartError, match=r"the upstream http://127.0.0.1:1 does not answer .*--model NAME"):
        over_upstreams(TWO, ["127.0.0.1:1"], None)


def test_only_flags_that_were_given_become_overrides():
    assert overrides(host=None, port=0, engine=None) == {"gateway": {"port": 0}}
    assert overrides(host=None, engine="cpu") == {"engine": "cpu"}


def test_the_one_checkpoint_of_a_command_is_a_folder_a_configured_model_or_the_only_one(tmp_path: Path):
    (tmp_path / "small").mkdir()
    assert checkpoint(TWO, str(tmp_path / "small")).path == str(tmp_path / "small")
    assert checkpoint(TWO, "embed").path == "org/embed"
    assert str(checkpoint(parse({}), None).path).endswith("models/demo")


def test_without_a_name_beside_several_models_their_names_are_said():
    with pytest.raises(UsageError, match="name one of chat, embed"):
        checkpoint(TWO, None)


def test_a_model_that_is_served_elsewhere_has_no_checkpoint_here():
    far = parse({"models": [{"name": "far", "upstreams": ["http://h:1"]}]})
    with pytest.raises(UsageError, match="is served elsewhere"):
        checkpoint(far, "far")
