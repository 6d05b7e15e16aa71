"""What points outside the request has no identity; what brings its bytes along has one."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from server.cache.identity import Identity, identify
from tests.server.cache.requests import ORIGIN

BASE64 = base64.b64encode(b"\x89PNG\r\n" + bytes(range(100))).decode()
DATA = f"data:image/png;base64,{BASE64}"
ADDRESSES = [
    "http://a.example/x.png",
    "https://a.example/x.png",
    "file:///etc/hosts",
    "/etc/hosts",
    "ftp://x/y",
    "cat.png",
    "HTTPS://A/x" + "y" * 90,
]


def kept(path: str, body: Any) -> bool:
    return isinstance(identify(path, json.dumps(body).encode(), ORIGIN), Identity)


def chat(*parts: Any, **more: Any) -> bool:
    return kept("/v1/chat/completions", {"messages": [{"role": "user", "content": list(parts)}], **more})


def responses(**body: Any) -> bool:
    return kept("/v1/responses", body)


@pytest.mark.parametrize("url", ADDRESSES)
@pytest.mark.parametrize("kind", ["image_url", "video_url", "audio_url", "unheard_of"])
def test_media_by_address_is_not_kept(kind: str, url: str):
    assert not chat({"type": "text", "text": "what is it?"}, {"type": kind, kind: {"url": url}})
    assert not chat({"type": kind, kind: url})
    assert not chat({kind: {"url": url}})  # vLLM takes parts without a type


def test_media_that_come_along_are_kept():
    assert chat({"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": DATA, "detail": "low"}})
    assert chat({"type": "image_url", "image_url": {"url": "DATA:" + DATA[5:]}})
    assert chat({"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}})
    assert responses(input=[{"role": "user", "content": [{"type": "input_image", "image_url": DATA}]}])
    assert responses(input=[{"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": BASE64}]}])


def test_media_that_the_engine_remembers_are_not_kept():
    assert not chat({"type": "image_url", "image_url": None, "uuid": "seen-before"})
    assert not chat({"type": "image_url", "image_url": {"url": DATA}, "uuid": "seen-before"})
    assert not chat({"type": "image_url"})


def test_texts_that_name_addresses_are_kept():
    assert chat({"type": "text", "text": "https://a.example/x.png"})
    assert kept("/v1/chat/completions", {"messages": [{"role": "user", "content": "see https://a.example"}]})
    assert kept("/v1/completions", {"prompt": "https://a.example"})
    assert responses(input="https://a.example")


def test_files_by_name_are_not_kept():
    assert not responses(input=[{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}])
    assert not responses(input=[{"role": "user", "content": [{"type": "input_image", "file_id": "file-1", "image_url": DATA}]}])
    assert not responses(
        input=[{"type": "function_call_output", "call_id": "1", "output": [{"type": "input_image", "image_url": "http://x"}]}]
    )


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"background": True},
        {"store": True},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"tools": [{"type": "web_search"}]},
        {"tools": [{"type": "file_search", "vector_store_ids": ["x"]}]},
        {"tools": [{"type": "mcp", "server_url": "https://x"}]},
        {"tools": [{"type": ["function"]}]},
        {"kv_transfer_params": {"do_remote_decode": True}},
    ],
    ids=str,
)
def test_responses_that_stand_on_something_stored_are_not_kept(body: dict[str, Any]):
    assert not responses(**{"input": "hi", **body})


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": None, "conversation": None, "background": False, "store": False},
        {"tools": [{"type": "function", "name": "f", "parameters": {"properties": {"url": {"type": "string"}}}}]},
        {
            "input": [
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "1", "output": "x"},
            ]
        },
        {
            "input": [
                {"role": "user", "content": "hi"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
            ]
        },
    ],
    ids=str,
)
def test_responses_that_hold_all_they_need_are_kept(body: dict[str, Any]):
    assert responses(**{"input": "hi", **body})


@pytest.mark.parametrize("content", [5, None, {}, {"type": 5}, [5], [None], [[]], [{"type": []}], [{"type": {"a": 1}, "url": 5}]])
def test_nonsense_raises_nothing(content: Any):
    kept("/v1/chat/completions", {"messages": [{"content": content}, 5], "tools": [content], "store": content})
    kept("/v1/responses", {"input": [content, {"content": content, "type": content}], "tools": content, "prompt": content})
    kept("/v1/embeddings", {"input": content, "encoding_format": content, "messages": content})


def test_web_search_and_binary_embeddings_are_not_kept():
    assert not kept("/v1/chat/completions", {"messages": [], "web_search_options": {}})
    assert not kept("/v1/embeddings", {"input": "x", "encoding_format": "bytes"})
    assert kept("/v1/embeddings", {"input": "x", "encoding_format": "base64"})
