from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.errors import BenchUsageError
from benchmarks.prompts.template import ChatTemplate

HELLO = [{"role": "user", "content": "안녕"}]


def rendered(folder: Path, template: str) -> str:
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return ChatTemplate(folder).render(HELLO)


def test_a_template_sees_messages_and_that_an_answer_is_wanted(tmp_path: Path):
    assert rendered(tmp_path, "{{ messages[0].content }}{% if add_generation_prompt %}>{% endif %}") == "안녕>"


def test_special_tokens_come_from_the_tokenizers_config(tmp_path: Path):
    config = {"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert rendered(tmp_path, "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}") == "<s></s>False"


def test_json_keeps_letters_and_the_loop_can_be_left(tmp_path: Path):
    assert rendered(tmp_path, "{% for m in messages * 2 %}{{ m | tojson }}{% break %}{% endfor %}") == '{"role": "user", "content": "안녕"}'


def test_marks_for_training_change_nothing(tmp_path: Path):
    assert rendered(tmp_path, "{% generation %}{{ messages[0].role }}{% endgeneration %}!") == "user!"


@pytest.mark.parametrize("name", ["tokenizer_config.json", "chat_template.json"])
def test_older_places_of_the_template_are_read(tmp_path: Path, name: str):
    (tmp_path / name).write_text(json.dumps({"chat_template": "[{{ messages[0].content }}]"}))
    assert ChatTemplate(tmp_path).render(HELLO) == "[안녕]"


def test_of_several_templates_the_default_one_counts(tmp_path: Path):
    named = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert ChatTemplate(tmp_path).render(HELLO) == "yes"


@pytest.mark.parametrize("template", ["{{ raise_exception('no system') }}", "{% if %}", "{{ messages[0].nothing.more }}"])
def test_a_template_that_fails_is_told(tmp_path: Path, template: str):
    with pytest.raises(BenchUsageError, match="cannot render the prompts"):
        rendered(tmp_path, template)


def test_a_broken_config_is_told(tmp_path: Path):
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(BenchUsageError, match="cannot be read"):
        ChatTemplate(tmp_path).render(HELLO)
