"""Where a request carries text, and how another is put in its place."""

from __future__ import annotations

from typing import Any

import pytest

from server.guards.places import TokenIds, of_request


def texts(data: dict[str, Any]) -> list[str]:
    return [place.text for place in of_request(data) if not place.key]


def test_what_chooses_and_names_is_no_text() -> None:
    data = {"model": "m", "user": "u", "metadata": {"a": "b"}, "messages": [{"role": "user", "content": "T"}], "stream": True}
    assert texts(data) == ["T"]


def test_a_role_that_is_none_is_text() -> None:
    assert texts({"messages": [{"role": "call me at home", "content": "T"}]}) == ["call me at home", "T"]


def test_an_id_that_holds_a_long_number_is_text() -> None:
    assert texts({"messages": [{"role": "tool", "tool_call_id": "01012345678", "content": "T"}]}) == ["01012345678", "T"]
    assert texts({"messages": [{"role": "tool", "tool_call_id": "call_abc1", "content": "T"}]}) == ["T"]


def test_files_are_no_text() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, {"type": "text", "text": "T"}]
    assert texts({"messages": [{"role": "user", "content": parts}]}) == ["T"]


def test_what_nobody_knows_is_text() -> None:
    assert texts({"new_field": {"deep": [["T"]]}}) == ["T"]


def test_paths_tell_no_key_that_a_person_chose() -> None:
    places = of_request({"tools": [{"function": {"parameters": {"properties": {"010-1234-5678": {"description": "T"}}}}}]})
    assert [place.path for place in places] == [
        "tools[0].function.parameters.properties.*",
        "tools[0].function.parameters.properties.*.description",
    ]


def test_texts_and_keys_are_put_back_last_first() -> None:
    data = {"tools": [{"function": {"parameters": {"properties": {"secret": {"description": "T"}, "other": {"description": "U"}}}}}]}
    for place in reversed(of_request(data)):
        place.put({"secret": "x", "T": "t"}.get(place.text, place.text))
    assert data["tools"][0]["function"]["parameters"]["properties"] == {"x": {"description": "t"}, "other": {"description": "U"}}


@pytest.mark.parametrize("body", [{"prompt": [1, 2]}, {"prompt": ["a", [1]]}, {"input": [[1, 2], [3]]}])
def test_token_ids_are_told(body: dict[str, Any]) -> None:
    with pytest.raises(TokenIds):
        of_request(body)


def test_a_body_that_is_nested_without_end_is_an_error() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    with pytest.raises(RecursionError):
        of_request({"messages": deep})
