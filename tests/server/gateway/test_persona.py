from __future__ import annotations

import json
from typing import Any

import pytest

from server.errors import InvalidRequest
from server.gateway.persona import apply, rename
from server.settings import Persona

POET = Persona(model="m", system="You are a poet.", temperature=0.9, max_tokens=50, stop=("END",))


def applied(path: str, **request: Any) -> Any:
    return json.loads(apply(POET, "poet", path, json.dumps(request).encode()))


def chat(*messages: dict[str, Any], **more: Any) -> Any:
    return applied("/v1/chat/completions", model="poet", messages=list(messages), **more)


USER = {"role": "user", "content": "hi"}


def test_the_model_is_replaced_and_the_system_prompt_comes_first():
    body = chat(USER)
    assert body["model"] == "m"
    assert body["messages"] == [{"role": "system", "content": "You are a poet."}, USER]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_clients_own_system_message_follows_in_the_same_message(role: str):
    body = chat({"role": role, "content": "Be brief."}, USER)
    assert body["messages"] == [{"role": role, "content": "You are a poet.\n\nBe brief."}, USER]


def test_a_system_message_of_parts_keeps_its_parts():
    part = {"type": "text", "text": "Be brief."}
    body = chat({"role": "system", "content": [part]}, USER)
    assert body["messages"][0]["content"] == [{"type": "text", "text": "You are a poet.\n\n"}, part]


def test_defaults_fill_only_what_the_request_leaves_open():
    body = chat(USER, temperature=0, stop=None)
    assert (body["temperature"], body["stop"], body["max_tokens"]) == (0, ["END"], 50)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_either_name_of_the_length_counts(name: str):
    body = chat(USER, **{name: 7})
    assert {k: v for k, v in body.items() if k.startswith("max")} == {name: 7}


def test_responses_get_instructions():
    body = applied("/v1/responses", model="poet", input="hi", instructions="Be brief.")
    assert body["instructions"] == "You are a poet.\n\nBe brief."
    assert body["max_output_tokens"] == 50


def test_completions_have_no_place_for_a_system_prompt():
    with pytest.raises(InvalidRequest, match="chat/completions, or the model 'm'"):
        applied("/v1/completions", model="poet", prompt="hi")


def test_completions_work_without_one():
    body = apply(Persona(model="m", temperature=0.5), "cool", "/v1/completions", b'{"model":"cool","prompt":"hi"}')
    assert json.loads(body) == {"model": "m", "prompt": "hi", "temperature": 0.5}


def test_tokenize_counts_the_system_prompt():
    body = applied("/tokenize", model="poet", messages=[USER])
    assert body["messages"][0]["content"] == "You are a poet."
    assert "temperature" not in body


def test_embeddings_only_change_the_model():
    assert applied("/v1/embeddings", model="poet", input="x") == {"model": "m", "input": "x"}


def test_what_is_unknown_survives():
    body = apply(POET, "poet", "/v1/chat/completions", b'{"model":"poet","messages":[],"big":12345678901234567890123,"f":1.10}')
    assert b'"big":12345678901234567890123' in body
    assert b'"f":1.10' in body


@pytest.mark.parametrize("messages", [b'"x"', b"[1]", b'[{"role":3}]', b'[{"role":"system","content":3}]', b"null"])
def test_what_is_not_messages_is_left_to_the_engine(messages: bytes):
    body = apply(POET, "poet", "/v1/chat/completions", b'{"model":"poet","messages":%b}' % messages)
    assert json.loads(body)["messages"] == json.loads(messages)


def test_a_missing_model_is_filled_in():
    assert json.loads(rename(b'{"input":"x"}', "m")) == {"input": "x", "model": "m"}
    assert json.loads(rename(b'{"model":null}', "m")) == {"model": "m"}
