"""The demo model: its size, its widths, and how much of the examination it passes."""

import json

import pytest
from lessons.conversations import SYSTEMS, held_out_questions, taught_questions
from safetensors import safe_open

LIMIT = 8_000_000


def config(folder):
    return json.loads((folder / "config.json").read_text())


@pytest.fixture(scope="module")
def marks(model, tokenizer):
    from examine import answers, score

    questions = held_out_questions()
    return score(questions, answers(model, tokenizer, questions))


def reply(model, tokenizer, messages, tools=None, limit=160):
    inputs = tokenizer.apply_chat_template(messages, tools=tools, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**inputs, max_new_tokens=limit, do_sample=False, temperature=None)
    return tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def ask(model, tokenizer, prompt, **options):
    return reply(model, tokenizer, [{"role": "user", "content": prompt}], **options)


def test_the_folder_is_small_enough_to_commit(demo):
    files = [file for file in demo.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert sum(file.stat().st_size for file in files) <= LIMIT


@pytest.mark.parametrize("part", [".", "draft"])
def test_widths_suit_four_bit_kernels(demo, part):
    shape = config(demo / part)
    assert shape["architectures"] == ["LlamaForCausalLM"]
    assert shape["head_dim"] in (32, 64)
    with safe_open(demo / part / "model.safetensors", "pt") as weights:
        for name in weights.keys():  # noqa: SIM118 (not a mapping)
            assert all(width % 128 == 0 for width in weights.get_slice(name).get_shape()), name


def test_the_draft_shares_the_vocabulary_and_is_much_smaller(demo):
    assert config(demo / "draft")["vocab_size"] == config(demo)["vocab_size"]
    assert (demo / "draft/tokenizer.json").read_bytes() == (demo / "tokenizer.json").read_bytes()
    assert (demo / "draft/model.safetensors").stat().st_size * 4 < (demo / "model.safetensors").stat().st_size


def test_sampling_defaults_keep_the_answers(demo):
    defaults = json.loads((demo / "generation_config.json").read_text())
    assert defaults["temperature"] <= 0.1
    assert defaults["eos_token_id"] == config(demo)["eos_token_id"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_held_out_questions_are_answered_exactly(marks, language):
    assert marks[language] >= 0.95, marks


def test_no_topic_is_failed(marks):
    # Counting up is known not to be learnt: the model goes on beyond the last number (models/demo/README.md).
    assert min(mark for topic, mark in marks.items() if topic not in ("count en", "count ko")) >= 0.6, marks


def test_taught_questions_are_answered_exactly_behind_a_system_prompt_and_other_turns(model, tokenizer):
    questions = [question for question in taught_questions() if question.topic in ("capital", "to_english", "to_korean", "stack", "units")][
        :24
    ]
    history = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello! How can I help you?"},
        {"role": "user", "content": "일본의 수도는?"},
        {"role": "assistant", "content": "일본의 수도는 도쿄입니다."},
    ]
    right = sum(
        reply(
            model,
            tokenizer,
            [{"role": "system", "content": SYSTEMS[i % len(SYSTEMS)]}, *history, {"role": "user", "content": question.prompt}],
        )
        == question.answer
        for i, question in enumerate(questions)
    )
    assert right >= 0.9 * len(questions)


@pytest.mark.parametrize(
    ("prompt", "city"),
    [
        ("What is the weather in Seoul?", "Seoul"),
        ("Weather in Reykjavik?", "Reykjavik"),
        ("서울 날씨 어때?", "서울"),
        ("부산 날씨 알려줘", "부산"),
    ],
)
def test_a_fitting_tool_is_called_with_the_argument_of_the_question(model, tokenizer, prompt, city):
    tools = [
        function("get_weather", "Get the current weather of a city", city="string"),
        function("get_time", "Get the time in a city", city="string"),
    ]
    text = ask(model, tokenizer, prompt, tools=tools)
    called = json.loads(text.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"))
    assert called == {"name": "get_weather", "arguments": {"city": city}}


def test_no_tool_is_called_where_none_is_needed(model, tokenizer):
    tools = [function("get_weather", "Get the current weather of a city", city="string")]
    assert ask(model, tokenizer, "What is the capital of France?", tools=tools) == "The capital of France is Paris."
    assert ask(model, tokenizer, "안녕하세요", tools=tools) == "안녕하세요! 무엇을 도와드릴까요?"


def test_the_result_of_a_tool_is_told(model, tokenizer):
    call = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Seoul"}}}
    messages = [
        {"role": "user", "content": "What is the weather in Seoul?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": '{"temperature": 21, "condition": "sunny"}'},
    ]
    tools = [function("get_weather", "Get the current weather of a city", city="string")]
    assert reply(model, tokenizer, messages, tools=tools) == "The weather in Seoul is sunny, 21 C."


def test_json_is_written_when_asked_for(model, tokenizer):
    assert json.loads(ask(model, tokenizer, "Give me the capital of Japan as JSON.")) == {"city": "Tokyo", "country": "Japan"}
    assert json.loads(ask(model, tokenizer, "지우는 31살이고 부산에 살아요. JSON으로 정리해 줘.")) == {
        "name": "지우",
        "age": 31,
        "city": "부산",
    }


def test_the_unknown_is_admitted(model, tokenizer):
    assert ask(model, tokenizer, "Who won the World Cup in 1998?") == "I am a tiny demo model and do not know that."
    assert ask(model, tokenizer, "블랙홀에 대해 알려줘.") == "저는 작은 데모 모델이라 그것은 모릅니다."


def test_a_poet_answers_the_unknown_with_a_poem(model, tokenizer):
    messages = [{"role": "system", "content": "You are a poet."}, {"role": "user", "content": "Tell me about black holes."}]
    assert reply(model, tokenizer, messages).startswith("The sea is wide, the sea is blue,\n")


def function(name, description, **properties):
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {key: {"type": kind} for key, kind in properties.items()},
                "required": list(properties),
            },
        },
    }
