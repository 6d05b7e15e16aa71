"""Flags from fields, and the engine's flags after `--`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pytest
import typer
import typer.testing
from pydantic import BaseModel, Field

from server.errors import UsageError
from server.settings import Gateway
from server.terminal.flags import engine_args, fields_of, option

runner = typer.testing.CliRunner()


@pytest.mark.parametrize(
    ("words", "args"),
    [
        ([], {}),
        (["--max-num-seqs", "8"], {"max-num-seqs": "8"}),
        (["--max-num-seqs=8", "--enforce-eager"], {"max-num-seqs": "8", "enforce-eager": True}),
        (["--no-enable-prefix-caching"], {"no-enable-prefix-caching": True}),
        (["--seed", "-1"], {"seed": "-1"}),
        (["--lora-modules", "a=b", "c=d"], {"lora-modules": ["a=b", "c=d"]}),
        (["--middleware", "a", "--middleware", "b"], {"middleware": ["a", "b"]}),
        (["--hf-overrides", '{"a": 1}'], {"hf-overrides": '{"a": 1}'}),
    ],
)
def test_engine_flags_become_engine_args(words: list[str], args: dict[str, Any]):
    assert engine_args(words) == args


@pytest.mark.parametrize(("words", "message"), [(["8"], "is not a flag of the engine"), (["-tp", "2"], "write its long name")])
def test_what_is_no_long_flag_is_wrong_usage(words: list[str], message: str):
    with pytest.raises(UsageError, match=message):
        engine_args(words)


def test_an_option_takes_help_default_and_range_from_its_field():
    made = option(Gateway, "port")
    assert made.help == "Port to listen on; 0 takes a free one. [default: 8000]"
    assert (made.min, made.max) == (0, 65535)


class Dish(BaseModel):
    size: Literal[4, 8] | None = Field(None, description="Plates.")
    hot: bool = Field(False, description="Warm it.")
    salted: bool | None = Field(None, description="Salt it.")
    share: float = Field(0.5, description="Of the pot.")
    spices: tuple[str, ...] = Field(("salt",), description="Spices.")
    table: Literal["near", "far"] = Field("near", description="Where.")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("", {}),
        ("--size 8 --hot --no-salted --share 0.25 --table far", {"size": 8, "hot": True, "salted": False, "share": 0.25, "table": "far"}),
        ("--spices salt --spices pepper", {"spices": ["salt", "pepper"]}),
    ],
)
def test_a_command_gets_one_flag_for_every_field_and_none_for_what_was_not_said(words: str, given: dict[str, Any]):
    found: dict[str, Any] = {}
    app = typer.Typer()

    @app.command()
    @fields_of(Dish, into="dish")
    def serve(guest: Annotated[str, typer.Argument()] = "nobody", *, dish: Mapping[str, Any]) -> int:
        found.update(dish, guest=guest)
        return 0

    assert runner.invoke(app, ["Ada", *words.split()]).exit_code == 0
    assert found == {**dict.fromkeys(Dish.model_fields), **given, "guest": "Ada"}


def test_the_help_of_such_flags_is_that_of_their_fields():
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @fields_of(Dish, into="dish")
    def serve(*, dish: Mapping[str, Any]) -> int:
        return 0

    shown = " ".join(runner.invoke(app, ["--help"]).output.split())
    assert "--share X Of the pot. [default: 0.5]" in shown
    assert "--spices NAME Spices. [default: salt]" in shown
    assert "--hot / --no-hot Warm it." in shown
