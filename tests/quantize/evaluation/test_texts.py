import json
import shutil

import pytest

from quantize import digest
from quantize.errors import EvaluationError
from quantize.evaluation import texts
from quantize.evaluation.texts import DEMO, Question, Text, draw, read_questions, read_texts

CHAT = ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."})


def write(folder, *lines, name="a.jsonl"):
    file = folder / name
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines))
    return file


def test_chats_pairs_and_texts_in_one_file(tmp_path):
    file = write(tmp_path, {"messages": list(CHAT)}, "", {"prompt": "Hi", "answer": "Hello."}, {"text": "가나다"})
    assert read_texts(file) == [Text(messages=CHAT), Text(messages=CHAT), Text("가나다")]


def test_a_chat_for_a_model_without_a_template_is_its_turns():
    assert Text(messages=CHAT).plain == "Hi\nHello."


def test_a_text_may_hold_line_separators(tmp_path):
    assert read_texts(write(tmp_path, {"text": "one\u2028two"})) == [Text("one\u2028two")]


def test_plain_text_is_cut_at_paragraphs(tmp_path):
    long = "x" * 1500
    file = write(tmp_path, f"a\n\nb\n\n{long}\n\n{long}\n\n", name="a.txt")
    assert [len(text.text) for text in read_texts(file)] == [len(f"a\n\nb\n\n{long}"), 1500]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (['{"text": "a"}', "{oops"], "line 2 is not JSON"),
        (['{"text": "a"}', "", "[1]"], "line 3 is no JSON object"),
        (['{"txt": "a"}'], "line 1 holds none of"),
        (['{"messages": [{"role": "user"}]}'], 'line 1: a message needs "role" and "content"'),
        ([""], "holds no texts"),
    ],
)
def test_a_bad_line_of_texts_is_named_by_its_number(tmp_path, lines, sentence):
    with pytest.raises(EvaluationError, match=sentence):
        read_texts(write(tmp_path, *lines))


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (['{"prompt": "a", "answer": "b"}', '{"prompt": "a"}'], 'line 2: "answer" is missing'),
        (['{"prompt": 3, "answer": "b"}'], 'line 1: "prompt" is missing or no text'),
        ([], "holds no questions"),
    ],
)
def test_a_bad_question_is_named_by_its_number(tmp_path, lines, sentence):
    with pytest.raises(EvaluationError, match=sentence):
        read_questions(write(tmp_path, *lines))


def test_questions_keep_their_language(tmp_path):
    file = write(tmp_path, {"prompt": "a", "answer": "b", "language": "ko"}, {"prompt": "c", "answer": "d"})
    assert read_questions(file) == [Question("a", "b", "ko"), Question("c", "d")]


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(EvaluationError, match="check the path"):
        read_texts(tmp_path / "no.jsonl")
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(EvaluationError, match="is not UTF-8 text"):
        read_texts(tmp_path / "latin.txt")


def test_what_is_drawn_depends_on_the_seed_alone_and_keeps_its_order():
    drawn = draw(range(1000), 50, 3)
    assert drawn == draw(range(1000), 50, 3) == sorted(drawn)
    assert drawn != draw(range(1000), 50, 4)
    assert draw([1, 2], None, 0) == draw([1, 2], 5, 0) == [1, 2]


def test_the_demo_model_is_known_by_its_weights(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(DEMO, copy, ignore=shutil.ignore_patterns("draft", "lessons", "questions", "*.py", "__pycache__"))
    assert texts.is_demo(DEMO)
    assert texts.is_demo(copy)
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    assert not texts.is_demo(copy)


def test_a_variant_of_the_demo_model_is_known_by_its_manifest(tmp_path):
    made = {
        "name": "small",
        "method": "gptq",
        "created": "2026-11-21T00:00:00Z",
        "base": {"name": "demo", "digest": digest.weights(DEMO), "architecture": "LlamaForCausalLM", "weight_bytes": 1},
        "weights": {"digest": "sha256:0", "bytes": 1, "linear_bytes": 1, "linear_bf16_bytes": 4, "bits": 4, "checkpoint": "gptq"},
        "recipe": {},
        "versions": {},
        "cost": {"seconds": 1, "peak_memory_bytes": 1, "predicted_memory_bytes": 1},
        "serve": {"target": "cpu"},
    }
    (tmp_path / "sllm.json").write_text(json.dumps(made))
    assert texts.is_demo(tmp_path)
    made["base"]["digest"] = "sha256:1"
    (tmp_path / "sllm.json").write_text(json.dumps(made))
    assert not texts.is_demo(tmp_path)
