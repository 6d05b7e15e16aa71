import msgspec
import pytest

from server.cache.identity import Identity, identify
from server.cache.semantic.question import MAX_CHARACTERS, partition_of, question_of, shelf_of
from tests.server.cache.semantic.world import ORIGIN

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


def question(path=CHAT, **fields):
    found = identify(path, msgspec.json.encode({"model": "m", **fields}), ORIGIN, question_of)
    assert isinstance(found, Identity), found
    return found.semantic


def user(content):
    return {"role": "user", "content": content}


def test_the_last_user_turn_is_the_text_and_all_else_the_fingerprint():
    turns = [{"role": "system", "content": "s"}, user("a"), {"role": "assistant", "content": "b"}]
    one, other = (question(messages=[*turns, user(text)]) for text in ("c", "d"))
    assert (one.text, other.text) == ("c", "d")
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "system", "content": "be rude"}, user("q")]},
        {"messages": [{"role": "developer", "content": "s"}, user("q")]},
        {"messages": [user("earlier"), {"role": "assistant", "content": "x"}, user("q")]},
        {"messages": [{"role": "user", "content": "q", "name": "bob"}]},
        {"messages": [user([{"type": "text", "text": "q"}])]},
        {"messages": [user("q")], "temperature": 1},
        {"messages": [user("q")], "temperature": 0.0},
        {"messages": [user("q")], "max_tokens": 5},
        {"messages": [user("q")], "response_format": {"type": "json_object"}},
        {"messages": [user("q")], "n": 2},
        {"messages": [user("q")], "unheard_of": 1},
    ],
    ids=str,
)
def test_whatever_else_differs_gives_another_fingerprint(fields):
    plain = question(messages=[user("q")], temperature=0)
    assert question(**{"temperature": 0, **fields}).fingerprint != plain.fingerprint


def test_what_decides_no_answer_does_not_count():
    assert question(messages=[user("q")], user="u", stream=True, metadata={"a": "b"}) == question(messages=[user("q")])


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [user("q")], "tools": [{"type": "function", "function": {"name": "f"}}]},
        {"messages": [user("q")], "functions": [{"name": "f"}]},
        {"messages": [user("q"), {"role": "assistant", "content": "x"}]},
        {"messages": [{"role": "system", "content": "q"}]},
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}, user("q")]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}, user("q")]},
        {"messages": [user([{"type": "text", "text": "q"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])]},
        {"messages": [user([{"type": "text", "text": "q"}, {"type": "text", "text": "r"}])]},
        {"messages": [user("q")], "logprobs": True},
        {"messages": [user("")]},
        {"messages": [user(" \n ")]},
        {"messages": [user("x" * (MAX_CHARACTERS + 1))]},
        {"messages": []},
        {"messages": "q"},
        {"messages": [user(7)]},
    ],
    ids=lambda fields: str(fields)[:60],
)
def test_what_cannot_be_compared_by_meaning_has_no_question(fields):
    assert question(**fields) is None


def test_responses_have_their_input_as_question():
    one, other = question(RESPONSES, input="a"), question(RESPONSES, input="b")
    assert one.text == "a"
    assert one.fingerprint == other.fingerprint
    listed = question(RESPONSES, input=[user("a")])
    assert listed.text == "a"
    assert listed.fingerprint != one.fingerprint
    assert question(RESPONSES, input="a", instructions="x").fingerprint != one.fingerprint


def test_completions_and_embeddings_have_none():
    assert question("/v1/completions", prompt="a") is None
    assert question("/v1/embeddings", input="a") is None


def test_chat_and_responses_never_share_a_fingerprint():
    assert question(RESPONSES, input=[user("a")]).fingerprint != question(CHAT, messages=[user("a")]).fingerprint


@pytest.mark.parametrize("field", ["tenant", "namespace", "model", "weights", "adapter", "template", "engine", "persona", "policy"])
def test_each_field_of_the_origin_makes_another_partition(field):
    assert partition_of(msgspec.structs.replace(ORIGIN, **{field: "other"}), "e") != partition_of(ORIGIN, "e")


def test_another_embedder_is_another_partition():
    assert partition_of(ORIGIN, "one") != partition_of(ORIGIN, "two")


def test_neighbouring_fields_cannot_lend_each_other_bytes():
    one = msgspec.structs.replace(ORIGIN, tenant="ab", namespace="c")
    other = msgspec.structs.replace(ORIGIN, tenant="a", namespace="bc")
    assert partition_of(one, "e") != partition_of(other, "e")
    assert shelf_of(b"ab", b"c") != shelf_of(b"a", b"bc")
