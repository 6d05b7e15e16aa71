"""The name that was probably meant."""

import pytest

from server.nearest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("word", "name"), [("prot", "port"), ("Qwen3-0.6b", "Qwen/Qwen3-0.6B"), ("drain-timeout", "drain_timeout"), ("zzz", None), ("", None)]
)
def test_the_nearest_name_is_found_or_none(word: str, name: str | None):
    assert nearest(word, ["host", "port", "drain_timeout", "Qwen/Qwen3-0.6B"]) == name


def test_where_none_is_near_the_known_names_are_listed():
    assert did_you_mean("zzz", ["chat", "embed"]) == "known: chat, embed"
    assert did_you_mean("x", []) == "known: none"
