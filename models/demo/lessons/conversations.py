"""Conversations to learn from, and the lists of questions to be examined with.

Everything is drawn from a `random.Random`, so a seed decides all of it.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate
from typing import Any

from lessons import arithmetic, language, poems, stack, structured, talk, tools, unknown, world
from lessons.core import Language, Question, Topic, normalise
from lessons.wordings import CONTEXTS

Message = dict[str, Any]
TOPICS: tuple[Topic, ...] = world.TOPICS + language.TOPICS + talk.TOPICS + stack.TOPICS + poems.TOPICS
SKILLS = arithmetic.SKILLS
COUNTING = tuple(skill for skill in SKILLS if skill.name == "count")
TEACHERS = TOPICS + SKILLS
_WEIGHTS = list(accumulate(teacher.weight for teacher in TEACHERS))
LANGUAGES: tuple[Language, Language] = ("en", "ko")

POET = {
    "en": ("You are a poet.", "You are a poet", "Act as a poet.", "You are a famous poet. Answer with poems."),
    "ko": ("당신은 시인입니다.", "너는 시인이야.", "당신은 시인입니다", "시인처럼 대답하세요."),
}
SYSTEMS = (
    "You are a helpful assistant.",
    "You are a helpful assistant",
    "You are a friendly assistant. Answer briefly.",
    "Answer briefly and politely.",
    "You are an expert.",
    "You are a customer support agent.",
    "Be concise.",
    "You are a teacher for children.",
    "You are a geography teacher.",
    "You are a calculator.",
    "You are a translator.",
    "You are an AI assistant that follows instructions extremely well. Help as much as you can.",
    "You are a helpful, respectful and honest assistant.",
    "Do not lie.",
    "당신은 유용한 도우미입니다.",
    "당신은 친절한 도우미입니다. 짧게 대답하세요.",
    "친절하게 대답하세요.",
    "당신은 고객 지원 상담원입니다.",
    "간결하게 답하세요.",
    "당신은 선생님입니다.",
    "너는 똑똑한 비서야.",
    "당신은 번역가입니다.",
    "사용자의 질문에 정확하게 답변하세요.",
    "당신은 도움이 되는 AI 어시스턴트입니다.",
    "거짓말을 하지 마세요.",
)
_PREFIXES = {
    "en": (
        "Please: ",
        "Hey, ",
        "Hello! ",
        "Hi, ",
        "Quick question: ",
        "Excuse me, ",
        "One more thing: ",
        "Question: ",
        "And ",
        "Ok. ",
        "I have a question. ",
    ),
    "ko": ("저기요, ", "안녕하세요, ", "질문: ", "질문이 있어요. ", "하나 더 물어볼게요. ", "그럼 ", "혹시 ", "음, ", "네. ", "궁금한데 "),
}
_SUFFIXES = {
    "en": (" Thanks!", " Thank you.", " Please.", " I am curious.", " Tell me."),
    "ko": (" 고마워요.", " 부탁해요.", " 궁금해요.", " 감사합니다.", " 알려 주세요."),
}


@dataclass(frozen=True)
class Conversation:
    """Messages to learn from. A `forced` one's answers are learnt without their first token."""

    messages: list[Message]
    tools: list[Message] = field(default_factory=list)
    forced: bool = False


def render(conversation: Conversation) -> list[tuple[str, bool]]:
    """The conversation as the chat template writes it, in pieces; true where the model is to speak.

    A test holds this to `chat_template.jinja`; it is here because it is thirty times faster.
    """
    pieces: list[tuple[str, bool]] = []
    messages, system = conversation.messages, ""
    if messages[0]["role"] == "text":  # no conversation at all: what /v1/completions continues
        pieces = [(message["content"], message.get("learn", True)) for message in messages]
        return [*pieces, ("<|im_end|>", True)]
    if messages[0]["role"] == "system":
        system, messages = messages[0]["content"], messages[1:]
    if system or conversation.tools:
        listed = "".join(_signature(tool["function"]) + "\n" for tool in conversation.tools)
        block = ("\n" if system else "") + f"<tools>\n{listed}</tools>" if listed else ""
        pieces.append((f"<|im_start|>system\n{system}{block}<|im_end|>", False))
    for message in messages:
        pieces.append((f"<|im_start|>{message['role']}\n", False))
        content = message["content"]
        if message["role"] == "assistant":
            for call in message.get("tool_calls", ()):
                content += hermes_call(call["function"])
            pieces.append((content + "<|im_end|>", True))
        elif message["role"] == "tool":
            pieces.append((f"<tool_response>\n{content}\n</tool_response><|im_end|>", False))
        else:
            pieces.append((content + "<|im_end|>", False))
    return pieces


def hermes_call(function: dict[str, Any]) -> str:
    """A tool call as the Hermes format writes it."""
    return (
        f'<tool_call>\n{{"name": "{function["name"]}", "arguments": {json.dumps(function["arguments"], ensure_ascii=False)}}}\n</tool_call>'
    )


def _signature(function: dict[str, Any]) -> str:
    parameters = function["parameters"]
    listed = ", ".join(
        f"{key}{'' if key in parameters['required'] else '?'}: {schema['type']}" for key, schema in parameters["properties"].items()
    )
    return f"{function['name']}({listed}): {function['description']}"


def question(rng: random.Random) -> Question:
    """One question in a taught wording, roughened a little as people's questions are."""
    kind = rng.random()
    spoken = rng.choice(LANGUAGES)
    if kind < 0.06:
        asked = unknown.unknown_question(spoken, rng)
    elif kind < 0.13:
        return unknown.repeat_question(spoken, rng)
    elif kind < 0.19:
        return structured.json_question(spoken, rng)
    else:
        asked = rng.choices(TEACHERS, cum_weights=_WEIGHTS)[0].taught_question(rng)
    prompt, trick = asked.prompt, rng.random()
    if trick < 0.10:
        prompt = prompt.rstrip("?.! ")
    elif trick < 0.18:
        prompt = prompt.lower()
    elif trick < 0.22:
        prompt += rng.choice(("!", "?", "..", " ", "??", "~", ".", "\n"))
    elif trick < 0.30:
        prompt = rng.choice(_PREFIXES[asked.language]) + prompt
    elif trick < 0.34:
        prompt += rng.choice(_SUFFIXES[asked.language])
    elif trick < 0.48:
        prompt = rng.choice(CONTEXTS[asked.language]) + " " + prompt
    elif trick < 0.52:
        prompt = unknown.repeat_question(asked.language, rng).answer + ". " + prompt
    return Question(prompt, asked.answer, asked.language, asked.topic)


@cache
def held_out_wordings() -> frozenset[str]:
    """The normalised prompts of the examination: no conversation may contain one."""
    return frozenset(normalise(question.prompt) for question in held_out_questions())


def _system(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.75:
        return rng.choice(SYSTEMS)
    spoken = rng.choice(LANGUAGES)
    sentences = [
        unknown.repeat_question(spoken, rng).answer + "." for _ in range(rng.randint(1, 3) if kind < 0.97 else rng.randint(10, 30))
    ]
    return " ".join(sentences)


def _exchange(asked: Question, poet: bool = False) -> list[Message]:
    answer = asked.answer
    if poet and asked.topic == "unknown":
        answer = poems.POEMS[0 if asked.language == "en" else 2][2]
    return [{"role": "user", "content": asked.prompt}, {"role": "assistant", "content": answer}]


def _turns(rng: random.Random) -> int:
    kind = rng.random()
    return (
        1
        if kind < 0.64
        else 2
        if kind < 0.82
        else rng.randint(3, 5)
        if kind < 0.96
        else rng.randint(6, 14)
        if kind < 0.995
        else rng.randint(20, 40)
    )


def conversation(rng: random.Random, polish: bool = False) -> Conversation:
    """One conversation to learn from; `polish` draws more of what comes late: tools, forced JSON, counting."""
    while True:
        drawn = _polish(rng) if polish else _draw(rng)
        prompts = (normalise(m["content"]) for m in drawn.messages if m["role"] == "user")
        if held_out_wordings().isdisjoint(prompts):
            return drawn


def _polish(rng: random.Random) -> Conversation:
    kind = rng.random()
    if kind < 0.35:
        messages, definitions, forced = tools.tool_conversation(rng.choice(LANGUAGES), rng, varied=True)
        return Conversation(_with_system(messages, rng, 0.25), definitions, forced)
    if kind < 0.46:
        return Conversation(_with_system(_exchange(structured.forced_json(TOPICS, rng)), rng, 0.3), forced=True)
    if kind < 0.58:
        return Conversation(_exchange(rng.choice(COUNTING).taught_question(rng)))
    return _draw(rng)


def _draw(rng: random.Random) -> Conversation:
    kind, messages = rng.random(), []
    if kind < 0.10:
        spoken = rng.choice(LANGUAGES)
        messages, definitions, forced = tools.tool_conversation(spoken, rng)
        if not forced and rng.random() < 0.3:
            messages = _plain(rng) + messages
        if not forced and rng.random() < 0.2:
            messages = messages + _plain(rng)
        return Conversation(_with_system(messages, rng, 0.25), definitions, forced)
    if kind < 0.14:
        _, definitions, _ = tools.tool_conversation(rng.choice(LANGUAGES), rng)
        return Conversation(_with_system(_plain(rng), rng, 0.25), definitions)
    if kind < 0.19:
        return Conversation(_with_system(_exchange(structured.forced_json(TOPICS, rng)), rng, 0.3), forced=True)
    if kind < 0.215:
        spoken = rng.choice(LANGUAGES)
        asked = unknown.unknown_question(spoken, rng) if rng.random() < 0.5 else question(rng)
        return Conversation(
            [{"role": "system", "content": rng.choice(POET[rng.choice((spoken, asked.language))])}, *_exchange(asked, poet=True)]
        )
    if kind < 0.245:
        return Conversation([{"role": "text", "content": _text(rng)}])
    if kind < 0.33:
        return Conversation(arithmetic.drill(rng))
    for _ in range(_turns(rng)):
        messages += _exchange(question(rng))
    return Conversation(_with_system(messages, rng, 0.3))


def _text(rng: random.Random) -> str:
    """A few true sentences of one language, one after the other."""
    spoken = rng.choice(LANGUAGES)
    drawn = (question(rng) for _ in range(24))
    sentences = [asked.answer for asked in drawn if asked.language == spoken and asked.answer.endswith(".") and asked.topic != "unknown"]
    return " ".join(sentences[: rng.randint(1, 5)]) or poems.POEMS[0][2]


def _plain(rng: random.Random) -> list[Message]:
    """A question that needs no tool, though tools may be given."""
    while True:
        asked = question(rng)
        if asked.topic not in ("unknown", "add", "subtract", "multiply"):
            return _exchange(asked)


def _with_system(messages: list[Message], rng: random.Random, share: float) -> list[Message]:
    return [{"role": "system", "content": _system(rng)}, *messages] if rng.random() < share else messages


def stream(seed: int, polish: bool = False) -> Iterator[Conversation]:
    """Conversations without end."""
    rng = random.Random(seed)
    while True:
        yield conversation(rng, polish)


@cache
def held_out_questions(seed: int = 7) -> tuple[Question, ...]:
    """Every fact at least once, in wordings that are never taught, each prompt once."""
    rng = random.Random(seed)
    drawn = [question for teacher in TEACHERS for question in teacher.held_out_questions(rng)]
    for spoken in LANGUAGES:
        drawn += unknown.held_out_unknown(spoken, rng) + structured.held_out_json(spoken, rng)
    return tuple({normalise(question.prompt) + question.topic: question for question in drawn}.values())


def taught_questions(seed: int = 8, each: int = 6) -> tuple[Question, ...]:
    """A sample of the questions in taught wordings, some of every topic."""
    rng = random.Random(seed)
    drawn = [teacher.taught_question(rng) for teacher in TEACHERS for _ in range(each)]
    for spoken in LANGUAGES:
        drawn += [
            make(spoken, rng)
            for make in (unknown.unknown_question, unknown.repeat_question, structured.json_question)
            for _ in range(4 * each)
        ]
    return tuple({question.prompt: question for question in drawn}.values())
