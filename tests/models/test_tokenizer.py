"""The tokenizer and the chat template: any text survives, and the template writes what was taught."""

import json
from itertools import islice

import pytest
from lessons.conversations import render, stream

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}, "required": ["city"]},
    },
}


def text_of(tokenizer, messages, **options):
    return tokenizer.apply_chat_template(messages, tokenize=False, **options)


@pytest.mark.parametrize(
    "text",
    [
        "안녕하세요, 반갑습니다!",
        "مرحبا بالعالم",
        "日本語と中文",
        "🎉👩‍👩‍👧 emoji",
        "tab\tnew\nlines\r\n\n  spaces   ",
        "12345 + 67.89",
        "ㅋㅋㅋ ㅠㅠ",
        "e\u0301 ﬁ \u200b\ufeff",
        "\x00\x07 control",
        "",
    ],
)
def test_any_text_comes_back_unchanged(tokenizer, text):
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_every_plane_of_unicode_comes_back_unchanged(tokenizer):
    text = "".join(chr(code) for code in range(0x20, 0x30000, 97) if not 0xD800 <= code < 0xE000)
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_every_digit_is_a_token_of_its_own(tokenizer):
    assert len(tokenizer("31415926").input_ids) == 8


def test_turn_marks_are_one_token_and_skipped_in_decoding(tokenizer):
    assert [len(tokenizer(mark).input_ids) for mark in ("<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>")] == [1, 1, 1, 1]
    ids = tokenizer("<tool_call>\n{}\n</tool_call><|im_end|>").input_ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<tool_call>\n{}\n</tool_call>"
    assert tokenizer.eos_token == "<|im_end|>"


def test_the_template_writes_what_the_model_was_taught(tokenizer):
    for drawn in islice(stream(11), 1500):
        if drawn.messages[0]["role"] != "text":
            assert text_of(tokenizer, drawn.messages, tools=drawn.tools or None) == "".join(text for text, _ in render(drawn))


def test_pieces_are_cut_where_the_tokenizer_cuts(tokenizer):
    for drawn in islice(stream(12), 300):
        pieces = [text for text, _ in render(drawn)]
        assert tokenizer("".join(pieces)).input_ids == [i for piece in pieces for i in tokenizer(piece).input_ids]


def test_content_parts_read_like_a_string(tokenizer):
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": " there"}]}]
    assert text_of(tokenizer, parts) == text_of(tokenizer, [{"role": "user", "content": "Hello there"}])


def test_a_tool_is_listed_by_its_signature(tokenizer):
    text = text_of(tokenizer, [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}], tools=[TOOL])
    assert text.startswith(
        "<|im_start|>system\nBe kind.\n<tools>\nget_weather(city: string, unit?: string): Get the weather of a city\n</tools><|im_end|>"
    )


def test_tools_of_unusual_shape_are_listed_too(tokenizer):
    bare = {"type": "function", "function": {"name": "now"}}
    odd = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"anyOf": [{"type": "string"}]}}}},
    }
    text = text_of(tokenizer, [{"role": "user", "content": "Hi"}], tools=[bare, odd])
    assert "now()\nf(x?: any)\n" in text


@pytest.mark.parametrize("arguments", [{"city": "서울"}, '{"city": "서울"}'])
def test_calls_and_results_are_written_in_the_hermes_format(tokenizer, arguments):
    call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    text = text_of(
        tokenizer,
        [
            {"role": "user", "content": "서울 날씨"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "맑음"},
        ],
        add_generation_prompt=True,
    )
    written = text.split("<tool_call>\n")[1].split("\n</tool_call>")[0]
    assert json.loads(written) == {"name": "get_weather", "arguments": {"city": "서울"}}
    assert "서울" in written
    assert text.endswith("<|im_start|>tool\n<tool_response>\n맑음\n</tool_response><|im_end|><|im_start|>assistant\n")


def test_turns_and_the_developer_role_are_written_in_order(tokenizer):
    text = text_of(
        tokenizer,
        [
            {"role": "developer", "content": "S"},
            {"role": "user", "content": "A"},
            {"role": "assistant", "content": "B"},
            {"role": "user", "content": "C"},
        ],
        add_generation_prompt=True,
    )
    assert text == (
        "<|im_start|>system\nS<|im_end|><|im_start|>user\nA<|im_end|><|im_start|>assistant\nB<|im_end|>"
        "<|im_start|>user\nC<|im_end|><|im_start|>assistant\n"
    )
