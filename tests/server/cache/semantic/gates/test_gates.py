"""Each gate: what it must stop, and what it must let through. Texts other than the shipped pairs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.cache.semantic.gates import GATES, check, objections

STOPPED = [
    ("numbers", "Name 3 rivers in Asia", "Name 5 rivers in Asia"),
    ("numbers", "사과 세 개로 잼 만들기", "사과 네 개로 잼 만들기"),
    ("numbers", "Is 20 degrees Celsius warm?", "Is 20 degrees Fahrenheit warm?"),
    ("numbers", "두 시간 운동하면 몇 칼로리?", "30분 운동하면 몇 칼로리?"),
    ("dates", "Are banks open on March 5?", "Are banks open on March 6?"),
    ("dates", "2023년 예산 알려줘", "2024년 예산 알려줘"),
    ("dates", "Is the shop open at 3 pm?", "Is the shop open at 5 pm?"),
    ("dates", "오후 3시에 회의 있어?", "오전 3시에 회의 있어?"),
    ("code", "What does os.path.join do?", "What does os.path.split do?"),
    ("code", "How do I read a file in Ruby?", "How do I read a file in Rust?"),
    ("code", "파이썬에서 max_retries 설정", "파이썬에서 max_delay 설정"),
    ("entities", "Who runs Samsung today?", "Who runs Hyundai today?"),
    ("entities", 'What does "carpe diem" mean?', 'What does "memento mori" mean?'),
    ("polarity", "How do I enable 2FA?", "How do I disable 2FA?"),
    ("polarity", "알림 켜는 법", "알림 끄는 법"),
    ("polarity", "용량을 늘리고 싶어요", "용량을 줄이고 싶어요"),
    ("polarity", "할 일을 추가하려면?", "할 일을 삭제하려면?"),
    ("negation", "Why does the printer print?", "Why does the printer not print?"),
    ("negation", "Pasta with cheese", "Pasta without cheese"),
    ("negation", "이 약 먹어도 되는 사람은?", "이 약 못 먹는 사람은?"),
    ("negation", "문이 열리는 이유", "문이 열리지 않는 이유"),
    ("time_words", "What should I cook today?", "What should I cook tomorrow?"),
    ("time_words", "내일 날씨 알려줘", "오늘 날씨 알려줘"),
    ("time_words", "Who was the mayor of Lyon?", "Who is the mayor of Lyon?"),
    ("language", "Say hello in Japanese", "Say hello in Korean"),
    ("language", "이 글을 영어로 번역해줘", "이 글을 독일어로 번역해줘"),
    ("language", "What is rice?", "쌀이 뭐예요?"),
    ("form", "Explain gravity in a table", "Explain gravity as a poem"),
    ("form", "중력을 짧게 설명해줘", "중력을 자세히 설명해줘"),
    ("scope", "Delete all photos", "Delete only photos"),
    ("scope", "모든 사진을 지우려면?", "일부 사진을 지우려면?"),
    ("asks", "Why is the sky blue?", "When is the sky blue?"),
    ("asks", "김치는 왜 발효하나요?", "김치는 어떻게 발효하나요?"),
    ("direction", "How far is it from Rome to Oslo?", "How far is it from Oslo to Rome?"),
    ("direction", "Can a cat chase a dog?", "Can a dog chase a cat?"),
    ("direction", "대전에서 광주까지 가는 법", "광주에서 대전까지 가는 법"),
    ("direction", "고래가 상어보다 큰가요?", "상어가 고래보다 큰가요?"),
    ("content", "How do I cook salmon?", "How do I cook trout?"),
    ("content", "연어 굽는 법", "송어 굽는 법"),
]

PASSED = [
    ("How do I enable 2FA?", "What's the way to turn on two-factor authentication?"),
    ("Give me three rivers in Asia", "give me 3 rivers in Asia"),
    ("Is 2 hours enough for the museum?", "Is 120 minutes enough for the museum?"),
    ("Are banks open on March 5, 2024?", "Are banks open on 2024-03-05?"),
    ("How do I cancel my subscription?", "I want to cancel my subscription, how?"),
    ("Turn my notifications off", "Please turn off my notifications"),
    ("I can't remember my password", "I forgot my password"),
    ("WHY IS THE SKY BLUE?", "Why is the sky blue"),
    ("What’s the capital of Peru?", "what is the capital city of Peru"),
    ("비밀번호를 바꾸고 싶어요", "비번 변경하는 방법 알려주세요"),
    ("알림을 끄려면 어떻게 해야 하나요?", "알림 끄는 법 알려줘"),
    ("사과 세 개로 만드는 잼", "사과 3개로 만드는 잼"),
    ("신용 카드를 등록하려면?", "신용카드 등록하는 방법"),
    ("환불은 얼마나 걸리나요?", "환불 얼마나 걸려요?"),
]


@pytest.mark.parametrize(("gate", "a", "b"), STOPPED)
def test_a_gate_stops_what_it_is_about_both_ways(gate: str, a: str, b: str):
    assert GATES[gate](a, b)
    assert GATES[gate](b, a)


@pytest.mark.parametrize(("a", "b"), PASSED)
def test_a_paraphrase_passes_all_gates_both_ways(a: str, b: str):
    assert objections(a, b) == {}
    assert objections(b, a) == {}


def test_the_verdict_names_the_first_gate_that_objects_and_why():
    verdict = check("How do I enable 2FA?", "How do I disable 2FA?")
    assert not verdict.passed
    assert verdict.gate == "polarity"
    assert "enable" in verdict.why
    assert "disable" in verdict.why


def test_an_answer_in_another_language_does_not_serve():
    answer = "서울입니다. 서울은 대한민국의 수도이며 가장 큰 도시입니다. 한강이 도시를 가로질러 흐르고 천만 명 가까운 사람이 삽니다."
    assert check("What is the capital of Korea?", "Tell me the capital of Korea", answer).gate == "answer"


@given(st.text(max_size=200))
def test_any_text_passes_against_itself(text: str):
    assert check(text, text).passed


@given(st.text(max_size=120), st.text(max_size=120))
def test_no_text_makes_a_gate_raise_and_the_order_does_not_matter(a: str, b: str):
    assert check(a, b).passed == check(b, a).passed


@pytest.mark.parametrize("text", ["word " * 20_000, "가나다 " * 20_000, "1" * 50_000])
def test_a_long_text_is_served_only_to_itself(text: str):
    assert check(text, text + "x").gate == "length"
    assert check(text, text).passed


@pytest.mark.parametrize("text", ["a " * 999, "가 " * 999, "1" * 1999, "a_" * 999, "'" * 1999, "one hundred " * 160, "turn " * 390])
def test_the_longest_text_that_is_compared_takes_no_long_time(text: str):
    check(text, text + "x")  # the suite's timeout is the limit
