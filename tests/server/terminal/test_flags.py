"""Flags from fields, and the engine's flags after `--`."""

from typing import Any

import pytest

from server.errors import UsageError
from server.settings import Gateway
from server.terminal.flags import engine_args, option


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
