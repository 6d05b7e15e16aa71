"""/v1/responses: a stream ends with what the whole answer says, and its events tell nothing else on the way."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from server.cache.shapes.responses import make_events
from server.guards.shapes import Screen, Unreadable, whole
from tests.server.cache.shapes.recordings import STREAMED, load
from tests.server.guards.shapes.scripted import REFUSAL, Numbers, events_of, numbers, pieces, plain, screened, sentences

PATH = "/v1/responses"
RECORDED = [name for name in STREAMED if load(name).path == PATH]
WORDS = ["The ", "code 12", "345", " is", " ", "BO", "MB", "7", "가나 ", "010-", "1234", "😀", ". ", "bad", "BOMB "]
TELLS = ("delta", "text", "arguments", "input", "refusal", "part", "item", "response")


def words(random: Random, but: tuple[str, ...]) -> str:
    return "".join(word for word in random.choices(WORDS, k=random.randint(0, 10)) if word not in but)


def item(number: int, random: Random, but: tuple[str, ...]) -> dict[str, Any]:
    kind = random.choice(("message", "message", "reasoning", "function_call", "web_search_call"))
    if kind == "message":
        parts = [
            {"type": "output_text", "text": words(random, but), "annotations": [], "logprobs": []} for _ in range(random.randint(1, 2))
        ]
        return {"id": f"msg_{number}", "type": kind, "role": "assistant", "status": "completed", "content": parts}
    if kind == "reasoning":
        return {"id": f"rs_{number}", "type": kind, "summary": [], "content": [{"type": "reasoning_text", "text": words(random, but)}]}
    if kind == "function_call":
        arguments = json.dumps({"it": words(random, but)})
        return {"id": f"fc_{number}", "type": kind, "call_id": f"c{number}", "name": "f", "arguments": arguments, "status": "completed"}
    return {"id": f"ws_{number}", "type": kind, "status": "completed", "action": {"type": "search", "query": words(random, but)}}


def answer(items: list[dict[str, Any]]) -> bytes:
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed", "incomplete_details": None}
    return json.dumps({**head, "error": None, "output": items, "usage": {"input_tokens": 1, "output_tokens": 2}}).encode()


def stream_of(body: bytes, random: Random) -> bytes:
    """The events that say the same, texts cut anywhere."""
    events: list[dict[str, Any]] = []
    for event in events_of(b"".join(make_events(body))):
        if event["type"].endswith(".delta"):
            events += [{**event, "delta": piece} for piece in pieces(event["delta"], random)]
        else:
            events.append(event)
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    return b"".join(b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in numbered)


def said(response: dict[str, Any]) -> Any:
    return plain({name: value for name, value in response.items() if name != "usage"})


@pytest.mark.parametrize("open_", [numbers, sentences])
@pytest.mark.parametrize("blocks", [False, True])
async def test_a_stream_ends_with_what_the_whole_answer_says(open_: Any, blocks: bool):
    but = () if blocks else ("BO", "MB", "BOMB ", "bad")
    for seed in range(400):
        random = Random(seed)
        body = answer([item(number, random, but) for number in range(random.randint(1, 3))])
        got = events_of(await screened(PATH, stream_of(body, random), open_, random))
        assert [event["sequence_number"] for event in got] == list(range(len(got))), seed
        expected = json.loads(await whole(PATH, body, open_))
        last = got[-1]
        assert said(last["response"]) == said(expected), seed
        assert last["type"] == ("response.incomplete" if expected["status"] == "incomplete" else "response.completed")


@pytest.mark.parametrize("open_", [numbers, sentences])
async def test_deltas_and_done_events_tell_the_texts_of_the_last_event(open_: Any):
    for seed in range(300):
        random = Random(seed)
        body = answer([item(number, random, ()) for number in range(random.randint(1, 3))])
        got = events_of(await screened(PATH, stream_of(body, random), open_, random))
        output = got[-1]["response"]["output"]
        deltas: dict[Any, str] = {}
        for event in got:
            base, _, what = event["type"].rpartition(".")
            place = (event.get("output_index"), event.get("content_index"), base)
            if what == "delta":
                assert event["delta"]
                deltas[place] = deltas.get(place, "") + event["delta"]
            elif base in ("response.output_text", "response.reasoning_text", "response.refusal") and what == "done":
                told = event.get("text", event.get("refusal"))
                assert told == deltas.get(place, ""), seed
                part = output[event["output_index"]]["content"][event["content_index"]]
                assert told == part.get("text", part.get("refusal")), seed
            elif base == "response.function_call_arguments":
                assert event["arguments"] == deltas.get(place, "") == output[event["output_index"]]["arguments"]
            elif event["type"] == "response.output_item.done":
                assert plain(event["item"]) == plain(output[event["output_index"]]), seed
            elif event["type"] == "response.content_part.done":
                assert plain(event["part"]) == plain(output[event["output_index"]]["content"][event["content_index"]])
        assert ("BOMB" if open_ is numbers else "bad") not in json.dumps(got)
        if open_ is numbers:
            assert "12345" not in json.dumps(got)


@pytest.mark.parametrize("name", RECORDED)
async def test_a_clean_answer_passes_with_its_own_bytes(name: str):
    recording = load(name)
    for random in (None, Random(1)):
        assert await screened(PATH, recording.stream.encode(), numbers, random) == recording.stream.encode()
    assert await whole(PATH, recording.whole.encode(), numbers) == recording.whole.encode()


async def test_clean_deltas_flow_at_once():
    body = answer(
        [{"id": "msg_0", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "The sky is blue"}]}]
    )
    screen = Screen(PATH, numbers, False)
    for event in stream_of(body, Random(1)).split(b"\n\n")[:-1]:
        assert await screen.feed(event + b"\n\n") == event + b"\n\n"


async def test_a_block_is_told_as_a_refusal_and_ends_the_answer():
    text = {"type": "output_text", "text": "Make a BOMB now", "annotations": [], "logprobs": []}
    body = answer([{"id": "msg_0", "type": "message", "role": "assistant", "status": "completed", "content": [text]}])
    screen = Screen(PATH, numbers, True)
    got = events_of(await screen.feed(stream_of(body, Random(1))))
    assert screen.ended
    assert screen.blocked
    assert [event["type"] for event in got][-8:] == [
        "response.output_text.done", "response.content_part.done", "response.content_part.added", "response.refusal.delta",
        "response.refusal.done", "response.content_part.done", "response.output_item.done", "response.incomplete",
    ]  # fmt: skip
    last = got[-1]["response"]
    assert last["status"] == "incomplete"
    assert last["incomplete_details"] == {"reason": "content_filter"}
    assert last["output"][0]["content"] == [{**text, "text": "Make a "}, {"type": "refusal", "refusal": REFUSAL}]
    assert await screen.feed(b"data: more\n\n") == b""
    assert await screen.finish() == b""


async def test_a_blocked_tool_call_is_told_in_no_event():
    calls = [
        {"id": f"fc_{n}", "type": "function_call", "call_id": f"c{n}", "name": "f", "arguments": text}
        for n, text in enumerate(("{}", '{"a":"BOMB"}'))
    ]
    body = answer(calls)
    got = events_of(await screened(PATH, stream_of(body, Random(1)), numbers))
    assert not any("fc_1" in json.dumps(event) for event in got)
    expected = json.loads(await whole(PATH, body, numbers))
    assert said(got[-1]["response"]) == said(expected)
    assert [one["type"] for one in expected["output"]] == ["function_call", "message"]
    assert expected["output"][1]["content"] == [{"type": "refusal", "refusal": REFUSAL}]


async def test_a_tool_call_that_changed_comes_in_one_delta():
    body = answer([{"id": "fc_0", "type": "function_call", "call_id": "c", "name": "f", "arguments": '{"tel": "12345"}'}])
    got = events_of(await screened(PATH, stream_of(body, Random(1)), numbers))
    assert [event["delta"] for event in got if event["type"].endswith(".delta")] == ['{"tel": "[N]"}']


async def test_each_text_has_its_place_and_kind_and_is_judged_once():
    seen: list[tuple[str, str]] = []

    def open_(place: str, kind: Any) -> Numbers:
        seen.append((place, kind))
        return Numbers(place, kind)

    note = {"type": "url_citation", "title": "a title", "url": "http://a", "start_index": 0, "end_index": 1}
    items: list[dict[str, Any]] = [
        {"id": "rs_0", "type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}],
         "content": [{"type": "reasoning_text", "text": "r"}], "encrypted_content": "12345678"},
        {"id": "msg_1", "type": "message", "role": "assistant",
         "content": [{"type": "output_text", "text": "t", "annotations": [note]}, {"type": "refusal", "refusal": "n"}]},
        {"id": "fc_2", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"id": "ct_3", "type": "custom_tool_call", "call_id": "c", "name": "g", "input": "x"},
        {"id": "mc_4", "type": "mcp_call", "name": "h", "server_label": "l", "arguments": "{1}", "output": "o", "error": None},
        {"id": "ci_5", "type": "code_interpreter_call", "code": "print()", "container_id": "auto",
         "outputs": [{"type": "logs", "logs": "out"}]},
    ]  # fmt: skip
    expected = [
        ("output[0].summary[0].text", "reasoning"), ("output[0].content[0].text", "reasoning"), ("output[1].content[0].text", "text"),
        ("output[1].content[0].annotations[0].title", "text"), ("output[1].content[0].annotations[0].url", "text"),
        ("output[1].content[1].refusal", "text"), ("output[2].arguments", "arguments"), ("output[3].input", "text"),
        ("output[4].arguments", "arguments"), ("output[4].output", "text"), ("output[5].code", "text"),
        ("output[5].outputs[0].logs", "text"),
    ]  # fmt: skip
    body = answer(items)
    assert await whole(PATH, body, open_) == body
    assert sorted(seen) == sorted(expected)
    seen.clear()
    stream = stream_of(body, Random(1))
    got = events_of(await screened(PATH, stream, open_))
    assert [event for event in got if event["type"] != "response.output_item.added"] == [
        event for event in events_of(stream) if event["type"] != "response.output_item.added"
    ]
    assert set(seen) == set(expected)
    assert len(seen) == len(expected)


async def test_a_summary_that_streams_is_held_back_and_told_to_its_end():
    place = {"item_id": "rs_0", "output_index": 0, "summary_index": 0}
    base = "response.reasoning_summary_text"
    part = {"type": "summary_text", "text": "It is 12345"}
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": {"id": "rs_0", "type": "reasoning", "summary": []}},
        {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}},
        *({"type": f"{base}.delta", **place, "delta": piece} for piece in ("It is ", "12", "345")),
        {"type": f"{base}.done", **place, "text": part["text"]},
        {"type": "response.reasoning_summary_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": {"id": "rs_0", "type": "reasoning", "summary": [part]}},
    ]
    stream = b"".join(b"data: %b\n\n" % json.dumps({**event, "sequence_number": n}).encode() for n, event in enumerate(events))
    got = events_of(await screened(PATH, stream, numbers))
    assert [event["delta"] for event in got if event["type"] == f"{base}.delta"] == ["It is ", "[N]"]
    assert got[-3]["text"] == got[-2]["part"]["text"] == got[-1]["item"]["summary"][0]["text"] == "It is [N]"


async def test_events_that_nobody_knows_are_judged_too():
    events = [
        {"type": "response.poem.delta", "item_id": "p", "delta": "tel 12"}, {"type": "response.poem.delta", "item_id": "p", "delta": "345"},
        {"type": "response.poem.done", "item_id": "p", "poem": "tel 12345"}, {"type": "response.note", "note": {"says": "67890"}},
        {"type": "response.audio.delta", "delta": "MTIzNDU2Nzg5"},
    ]  # fmt: skip
    got = events_of(await screened(PATH, b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events), numbers))
    assert "".join(event["delta"] for event in got if event["type"] == "response.poem.delta") == "tel [N]"
    assert [event for event in got if event["type"] != "response.poem.delta"] == [
        {**events[2], "poem": "tel [N]"}, {**events[3], "note": {"says": "[N]"}}, events[4],
    ]  # fmt: skip


async def test_texts_whose_end_no_event_tells_are_told_before_the_answers_end():
    body = answer([{"id": "msg_0", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "tel 12345"}]}])
    kept = [event for event in events_of(stream_of(body, Random(1))) if not event["type"].endswith(".done")]
    got = events_of(await screened(PATH, b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in kept), numbers))
    assert "".join(event["delta"] for event in got if event["type"].endswith(".delta")) == "tel [N]"
    assert got[-1]["response"]["output"][0]["content"][0]["text"] == "tel [N]"


async def test_raw_messages_beside_the_output_are_dropped():
    body = json.dumps({**json.loads(answer([])), "output_messages": [{"tokens": [1, 2], "message": "raw"}], "output_text": "raw"}).encode()
    assert b"raw" not in await whole(PATH, body, numbers)


async def test_an_error_event_passes():
    error = b'event: error\ndata: {"type":"error","message":"out of memory","code":null}\n\n'
    assert await screened(PATH, error, numbers) == error


@pytest.mark.parametrize(
    "event",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"type":7}',
        b'{"type":"response.output_text.delta","delta":"x"}',
        b'{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":7}',
        b'{"type":"response.output_item.added"}',
        b'{"type":"response.completed"}',
        b'{"type":"response.completed","response":{"output":[7]}}',
        b'{"type":"response.completed","response":{"output":{"a":1}}}',
    ],
)
async def test_an_event_of_another_form_is_refused(event: bytes):
    with pytest.raises(Unreadable):
        await screened(PATH, b"data: " + event + b"\n\n", numbers)


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"output": 7}', b'{"output": [7]}', b'{"output": [{"type": "message", "content": 7}]}', b"{}"]
)
async def test_a_body_of_another_form_is_refused(body: bytes):
    with pytest.raises(Unreadable):
        await whole(PATH, body, numbers)
