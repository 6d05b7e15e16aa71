from __future__ import annotations

import json

from server.gateway.usage import SMALL, read_usage


def test_chat_responses_and_embeddings():
    assert read_usage(b'{"usage":{"prompt_tokens":5,"total_tokens":8,"completion_tokens":3}}') == (5, 3)
    assert read_usage(b'{"usage":{"input_tokens":5,"output_tokens":3,"input_tokens_details":{"cached_tokens":1}}}') == (5, 3)
    assert read_usage(b'{"data":[],"usage":{"prompt_tokens":5,"total_tokens":5}}') == (5, 0)


def test_what_tells_none():
    assert read_usage(b'{"usage":null}') == (0, 0)
    assert read_usage(b"not json") == (0, 0)


def test_a_text_about_usage_is_no_usage():
    assert read_usage(json.dumps({"text": '"usage":{"prompt_tokens":7}'}).encode()) == (0, 0)


def test_large_answers_with_usage_at_either_end():
    filler = "x" * SMALL
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    assert read_usage(json.dumps({"data": filler, "usage": usage}).encode()) == (5, 3)
    assert read_usage(json.dumps({"id": "1", "usage": usage, "data": filler}).encode()) == (5, 3)
    assert read_usage(json.dumps({"data": filler}).encode()) == (0, 0)
