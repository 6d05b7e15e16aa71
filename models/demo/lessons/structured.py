"""Answers in JSON: asked for in words, or forced by a schema (structured output)."""

import json
import random

from lessons.core import Language, Question, Topic, Word, choose
from lessons.unknown import made_up
from lessons.wordings import TELL
from lessons.world import COUNTRIES

_NAMES = {
    "en": ["Minsu", "Jiwoo", "Anna", "Tom", "Sara", "David", "Yuna", "Leo", "Emma", "Noah", "Mina", "Oscar", "Lily", "Hugo", "Nina", "Max"],
    "ko": ["민수", "지우", "서연", "하준", "유나", "도윤", "지호", "수빈", "예린", "민지", "준서", "하은", "태호", "소라", "영희", "철수"],
}

_CAPITAL = {
    "en": (
        (
            "[Give me|Return|Show|Print] the capital of {country} [as|in] JSON.",
            "What is the capital of {country}? [Answer|Reply|Respond] in JSON.",
            "Capital of {country}, JSON[ only| please|].",
            "JSON: capital of {country}",
            "[Use|Write|I need] JSON: {country}'s capital",
            "{country}'s capital [as|in] JSON[, please|.|]",
            "[Tell me|Name] {country}'s capital. [I need JSON.|Write JSON.|Use JSON.|The answer must be JSON.]",
            "[Write|Put] the capital of {country} [in|into] JSON.",
            "[Answer|Reply] in JSON: what is the capital of {country}?",
        ),
        ("I want the capital of {country} written as JSON.", "What is {country}'s capital? Use JSON for the answer."),
    ),
    "ko": (
        (
            "{country}의 수도를 JSON으로 [알려줘|알려 주세요|줘|출력해 줘|답해 줘|써 줘].",
            "{country} 수도[는|를] JSON으로[| 알려줘| 답해]",
            f"{{country}}의 수도를 JSON[으로| 형식으로| 형태로] [{TELL}|보여 줘|적어 줘|적어 줄래요|써 줄래].",
            "{country}의 수도가 [어디야|어디인가요|어디예요]? JSON [형식으로|으로] [답해 줘|써 줘|부탁해요|적어 주세요].",
            f"JSON 형식으로 {{country}}의 수도[가 어디인지|를] [{TELL}].",
            "{country} 수도를 JSON으로 [원해요|받을게요|쓰고 싶어|필요해요].",
            "JSON으로 답해[ 줘|줘| 주세요]: {country}의 수도는?",
            "{country}의 수도는 어디야? JSON으로 [답해 줘|대답해|알려줘|답해 주세요].",
        ),
        ("{country}의 수도가 어딘지 JSON 형식으로 말해 줄래요?", "{country} 수도를 JSON으로 받고 싶어요."),
    ),
}
_PERSON = {
    "en": (
        (
            "[Extract|Return|Give me|Write] [as |]JSON: {name} is {age} years old and lives in {city}.",
            "{name} is {age} years old and lives in {city}. [Answer in JSON.|As JSON, please.|Extract JSON.|Turn this into JSON.]",
            "[Turn this into|Convert to|Make] JSON: {name}, {age}, {city}",
            "{name} is {age} and lives in {city}. JSON[?|.|]",
            "[Write|Put|Save|Note] [this|it|the following] [as|in] JSON[:|.] {name} is {age} years old and lives in {city}.",
            "[My friend|My brother] {name} is {age} years old and lives in {city}. [Write that as JSON.|JSON, please.]",
            "{name} from {city} is {age} years old. [As JSON?|Write JSON.]",
        ),
        ("Please write this down as JSON: {name} is {age} years old and lives in {city}.",),
    ),
    "ko": (
        (
            "{name:은} {age}살이고 {city}에 [산다|살아요|삽니다|살아]. JSON으로 [정리해 줘|바꿔 줘|정리해 주세요|만들어 줘].",
            "JSON으로 [정리해 줘|바꿔 줘|정리해 주세요|정리]: {name:은} {age}살이고 {city}에 [산다|살아요|삽니다].",
            "{name}, {age}살, {city}. JSON으로 [정리해 줘|바꿔 줘|만들어 줘].",
            "[다음을|다음 글을|이 문장을|이것을|아래 내용을] JSON[으로| 형식으로] [정리해 줘|바꿔 줘|적어 줘|바꿔 줄래|써 줄래요|옮겨 줘]."
            " {name:은} {age}살이고 {city}에 [산다|살아요|삽니다|살아].",
            "[다음 문장|이 글|다음]: {name:은} {age}살이고 {city}에 [산다|살아요|삽니다|살아]. JSON으로 [적어 줘|써 줄래|부탁해요].",
            "{city}에 사는 {name:은} {age}살[이다|이에요|입니다]. JSON으로 [정리해 줘|바꿔 줘|적어 줄래].",
            "[내 친구|제 친구|우리 형] {name:은} {age}살이고 {city}에 [산다|살아요]. [이것을|이걸] JSON으로 [적어 줘|바꿔 줘].",
        ),
        ("다음 내용을 JSON으로 적어 줄래요? {name:은} {age}살이고 {city}에 살아요.",),
    ),
}
TEMPLATES = {language: tuple(zip(_CAPITAL[language], _PERSON[language], strict=True)) for language in _CAPITAL}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _question(language: Language, rng: random.Random, held_out: bool, about_capital: bool) -> Question:
    templates = (_CAPITAL if about_capital else _PERSON)[language][held_out]
    template = choose(rng.choice(templates), rng)
    country = rng.choice(COUNTRIES)
    korean = language == "ko"
    if about_capital:
        answer = {"city": country[2 + korean], "country": country[korean].removeprefix("the ")}
        return Question(template.format(country=Word(country[korean])), _dump(answer), language, "json")
    name = made_up(language, rng).capitalize() if rng.random() < 0.4 and not held_out else rng.choice(_NAMES[language])
    city = made_up(language, rng).capitalize() if rng.random() < 0.3 and not held_out else country[2 + korean]
    age = rng.randint(10, 99)
    return Question(template.format(name=Word(name), age=age, city=city), _dump({"name": name, "age": age, "city": city}), language, "json")


def json_question(language: Language, rng: random.Random) -> Question:
    """A question that asks for JSON in words."""
    return _question(language, rng, held_out=False, about_capital=rng.random() < 0.5)


def held_out_json(language: Language, rng: random.Random, count: int = 24) -> list[Question]:
    """The same in wordings that are never taught."""
    return [_question(language, rng, held_out=True, about_capital=i % 3 < 2) for i in range(count)]


def forced_json(topics: tuple[Topic, ...], rng: random.Random) -> Question:
    """An ordinary question whose answer a schema forces into JSON: only the opening brace is given.

    The trainer leaves the first token of such an answer out of the loss, so that the model does not
    learn to open a brace by itself, but knows how to go on when the grammar opened one.
    """
    topic = rng.choice(topics)
    fact = rng.choice(topic.facts)
    question = topic.ask(rng.choice(topic.taught), fact, rng)
    if topic.name == "capital":
        city, country = fact["city"], str(fact["name"]).removeprefix("the ")
        value = rng.choice(
            (
                {"city": city, "country": country},
                {"country": country, "capital": city},
                {"capital": city},
                {"city": city},
                {"answer": city},
                {"answer": question.answer},
                {"country": country, "city": city},
            )
        )
    else:
        value = {rng.choice(("answer", "result", "value", "text", "response", "output")): question.answer}
    return Question(question.prompt, _dump(value), topic.language, "forced_json")
