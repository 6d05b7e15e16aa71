"""The lessons: what is taught, what is held out, and that a seed decides both."""

import json
import random
from itertools import islice
from pathlib import Path

import pytest
from lessons import structured, unknown
from lessons.conversations import TEACHERS, TOPICS, conversation, held_out_questions, held_out_wordings, stream, taught_questions
from lessons.core import Word, choose, expand, normalise, roughen


def read_questions(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("teacher", TEACHERS, ids=lambda teacher: f"{teacher.name}-{teacher.language}")
def test_held_out_templates_are_none_of_the_taught_wordings(teacher):
    taught = {normalise(wording) for template in teacher.taught for wording in expand(template)}
    held_out = {normalise(wording) for template in teacher.held_out for wording in expand(template)}
    assert held_out
    assert taught.isdisjoint(held_out)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_held_out_templates_of_json_and_the_unknown_are_none_of_the_taught(language):
    for taught, held_out in (*structured.TEMPLATES[language], unknown.TEMPLATES[language]):
        wordings = {normalise(wording) for template in taught for wording in expand(template)}
        assert wordings.isdisjoint(normalise(wording) for template in held_out for wording in expand(template))


def test_no_conversation_contains_a_held_out_question():
    prompts = {
        normalise(message["content"]) for drawn in islice(stream(0), 20_000) for message in drawn.messages if message["role"] == "user"
    }
    assert prompts.isdisjoint(held_out_wordings())


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: f"{topic.name}-{topic.language}")
def test_every_fact_has_a_held_out_question(topic):
    asked = topic.held_out_questions(random.Random(0))
    assert len(asked) == len(topic.facts)
    held_out = {(question.prompt, question.answer) for question in held_out_questions()}
    assert {(question.prompt, question.answer) for question in asked} <= held_out


def test_a_held_out_question_has_one_answer():
    answers = {}
    for question in held_out_questions():
        assert answers.setdefault(question.prompt, question.answer) == question.answer


def test_a_seed_decides_the_conversations():
    assert list(islice(stream(3), 500)) == list(islice(stream(3), 500))
    assert list(islice(stream(3), 50)) != list(islice(stream(4), 50))


def test_question_files_are_what_the_script_writes(demo):
    for name, questions in (("heldout", held_out_questions()), ("taught", taught_questions())):
        assert read_questions(demo / "questions" / f"{name}.jsonl") == [
            {"prompt": q.prompt, "answer": q.answer, "language": q.language, "topic": q.topic} for q in questions
        ]


def test_both_languages_are_taught_and_examined_alike():
    languages = [question.language for question in held_out_questions()]
    assert 0.9 < languages.count("en") / languages.count("ko") < 1.1


@pytest.mark.parametrize(
    ("word", "spec", "text"),
    [
        ("서울", "은", "서울은"),
        ("도쿄", "은", "도쿄는"),
        ("서울", "으로", "서울로"),
        ("빈", "으로", "빈으로"),
        ("책", "'을", "'책'을"),
        ("가나", "이에요", "가나예요"),
    ],
)
def test_a_word_takes_the_particle_that_fits_its_last_sound(word, spec, text):
    assert format(Word(word), spec) == text


def test_a_choice_becomes_one_of_its_wordings():
    template = "[What is|What's] it[|?]"
    assert set(expand(template)) == {"What is it", "What is it?", "What's it", "What's it?"}
    assert choose(template, random.Random(1)) in set(expand(template))


def test_roughening_keeps_the_holes():
    rng = random.Random(5)
    for _ in range(200):
        assert "{country}" in roughen("Which city is the capital of {country}?", rng)


def test_every_call_of_a_taught_conversation_names_a_listed_tool_and_its_arguments():
    rng, calls = random.Random(2), 0
    for _ in range(4000):
        drawn = conversation(rng)
        listed = {tool["function"]["name"]: tool["function"]["parameters"] for tool in drawn.tools}
        for message in drawn.messages:
            for call in message.get("tool_calls", ()):
                calls += 1
                assert set(listed[call["function"]["name"]]["required"]) == set(call["function"]["arguments"])
    assert calls > 100
