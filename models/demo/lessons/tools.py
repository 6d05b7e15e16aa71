"""Conversations with tools: when to call one, with which arguments, and what to say of its result."""

import json
import random
from typing import Any

from lessons.core import Language, Word, choose
from lessons.unknown import DO_NOT_KNOW, made_up
from lessons.world import COUNTRIES

Message = dict[str, Any]

# Per kind of tool: possible names, possible names of its argument, type, descriptions.
_KINDS: dict[str, tuple[str, str, str, str]] = {
    "weather": (
        "get_weather|get_current_weather|weather|fetch_weather|current_weather",
        "city|location|place",
        "string",
        "Get the weather of a city|Current weather|Get the current weather|Get the current weather in a given location|도시의 날씨",
    ),
    "time": (
        "get_time|get_current_time|time_in|local_time|current_time",
        "city|location|place|timezone",
        "string",
        "Get the time in a city|Local time|Current time of a place|도시의 현재 시각",
    ),
    "calculate": (
        "calculator|calculate|evaluate|compute|calc",
        "expression|expr|formula",
        "string",
        "Evaluate an expression|Calculator|Do arithmetic|계산기",
    ),
    "add": ("add|add_numbers|sum|plus", "a,b|x,y|first,second", "integer", "Add two numbers|Sum of two numbers|두 수의 합"),
    "search": ("search|web_search|search_web|find", "query|q|text", "string", "Search the web|Look something up|웹 검색"),
    "stock": ("get_stock_price|stock_price|stock", "symbol|ticker|company", "string", "Get the price of a stock|Stock price|주가 조회"),
    "light": ("turn_on_light|light_on|switch_light", "room|place|location", "string", "Turn on the light in a room|Light switch|조명 켜기"),
    "music": ("play_music|play_song|play", "song|title|name", "string", "Play a song|Music player|노래 재생"),
}
_ASK: dict[str, dict[Language, tuple[str, ...]]] = {
    "weather": {
        "en": (
            "[What is|What's|How is|Tell me|Check|Get] the [weather|current weather|temperature] in {x}[| today| now| right now]?",
            "[How is|What is] the weather [like |]in {x}?",
            "Weather in {x}[?| please]",
            "Is it [raining|sunny|cold|hot|warm] in {x}[| today| now]?",
        ),
        "ko": (
            "{x} 날씨[|는| 어때| 어때요| 알려줘| 알려 주세요|가 어때|가 어떤가요]?",
            "{x}의 [날씨|기온|현재 날씨][는|를 알려줘|가 어때요|는 어때]?",
            "[오늘|지금] {x} 날씨[는| 어때| 어때요|가 궁금해]?",
            "{x}에 [비가 와|비가 오나요|눈이 와|추워|더워요]?",
        ),
    },
    "time": {
        "en": ("[What time is it|What is the time|Tell me the time] in {x}[| now| right now]?", "[Time|Current time] in {x}?"),
        "ko": ("[지금|현재|] {x}[는|은] 몇 시[야|예요|인가요]?", "{x} [시간|시각|현재 시각][ 알려줘|을 알려줘|은|은 몇 시야]?"),
    },
    "calculate": {
        "en": ("[What is|What's|Calculate|Compute|Evaluate] {x}?", "{x} = ?", "[Use the calculator|Work out]: {x}"),
        "ko": ("{x}[는|은|는 얼마야|는 뭐야|=|을 계산해 줘|를 계산해 줘]?", "계산해 줘: {x}"),
    },
    "add": {
        "en": ("[What is|What's|Calculate] {a} [+|plus] {b}?", "Add {a} and {b}.", "[What is|Tell me] the sum of {a} and {b}?"),
        "ko": (
            "{a} [+|더하기] {b}[는|은|는 얼마야|]?",
            "{a}[와|과|하고] {b}[를|을] 더해[ 줘|줘| 주세요].",
            "{a}에 {b}[를|을] 더하면 얼마야?",
        ),
    },
    "search": {
        "en": (
            "[Search|Search the web|Look up|Google] [for |]{x}[.|]",
            "Find [information on|something about] {x}.",
            "Can you search for {x}?",
        ),
        "ko": ("{x} [검색해 줘|검색해|찾아 줘|찾아봐|검색해 주세요].", "{x:을} [검색해 줘|찾아 줘|검색해 주세요]."),
    },
    "stock": {
        "en": ("[What is|What's|Tell me] the [stock price|share price] of {x}?", "{x} stock price[?|]"),
        "ko": ("{x} 주가[는|| 알려줘|가 얼마야|가 얼마예요]?", "{x}의 주가[는|를 알려줘]?"),
    },
    "light": {
        "en": ("[Turn on|Switch on] the light in the {x}.", "[Turn|Switch] the {x} light on.", "Light in the {x}, please."),
        "ko": ("{x} [불|조명][| 좀|을] 켜[ 줘|줘| 주세요|].",),
    },
    "music": {
        "en": ("[Play|Put on|Start] {x}[.|]", "Play the song {x}."),
        "ko": ("{x} [틀어 줘|재생해 줘|틀어줘|재생해 주세요|들려줘].", "{x:을} [틀어 줘|재생해 줘]."),
    },
}
_CONDITIONS = {
    "en": ["sunny", "cloudy", "rainy", "snowy", "windy", "clear", "foggy"],
    "ko": ["맑음", "흐림", "비", "눈", "바람", "안개", "구름"],
}


def definition(name: str, description: str, properties: dict[str, str], required: list[str]) -> Message:
    """A tool in OpenAI's format."""
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": {key: {"type": kind} for key, kind in properties.items()}, "required": required},
        },
    }


def _draw_tool(kind: str, rng: random.Random, varied: bool) -> tuple[Message, list[str]]:
    names, arguments, type_, descriptions = _KINDS[kind]
    name, keys = rng.choice(names.split("|")), rng.choice(arguments.split("|")).split(",")
    if varied and rng.random() < 0.3:
        name = rng.choice((f"{made_up('en', rng)}_{name}", f"{name}_{made_up('en', rng)}"))
    properties = dict.fromkeys(keys, type_)
    if kind == "weather" and rng.random() < 0.3:
        properties["unit"] = "string"
    return definition(name, rng.choice(descriptions.split("|")), properties, keys), keys


def _subject(kind: str, language: Language, rng: random.Random) -> str:
    korean = language == "ko"
    if kind in ("weather", "time"):
        return made_up(language, rng).capitalize() if rng.random() < 0.5 else rng.choice(COUNTRIES)[2 + korean]
    if kind == "calculate":
        return f"{rng.randint(1, 999)} {rng.choice('+-*/')} {rng.randint(1, 999)}"
    if kind == "light":
        return rng.choice(
            ["거실", "부엌", "침실", "현관", "욕실", "방"] if korean else ["kitchen", "bedroom", "hall", "garage", "office", "bathroom"]
        )
    return " ".join(made_up(language, rng) for _ in range(rng.randint(1, 2)))


def _result(kind: str, language: Language, subject: str, rng: random.Random) -> tuple[str, str]:
    """What the tool returns (as text or as JSON), and the sentence that tells it to the user."""
    korean, plain = language == "ko", rng.random() < 0.4
    if kind == "weather":
        degrees, condition = rng.randint(-15, 38), rng.choice(_CONDITIONS[language])
        shapes: list[dict[str, Any]] = [
            {"temperature": degrees, "condition": condition},
            {"condition": condition, "temperature": degrees},
            {"city": subject, "temperature": degrees, "condition": condition},
            {"temp_c": degrees, "condition": condition},
            {"weather": condition, "temperature": degrees},
        ]
        content = f"{condition}, {degrees} C" if plain else json.dumps(rng.choice(shapes), ensure_ascii=False)
        return (
            content,
            f"{subject}의 날씨는 {condition}, {degrees}도입니다." if korean else f"The weather in {subject} is {condition}, {degrees} C.",
        )
    if kind == "time":
        clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
        content = clock if plain else json.dumps(rng.choice(({"time": clock}, {"city": subject, "time": clock})), ensure_ascii=False)
        return content, f"{subject}의 시각은 {clock}입니다." if korean else f"The time in {subject} is {clock}."
    if kind == "light":
        return rng.choice(
            ("ok", "done", '{"status": "ok"}', '{"ok": true}')
        ), f"{subject} 불을 켰습니다." if korean else f"The light in the {subject} is on."
    value = made_up(language, rng) + " " + made_up(language, rng) if kind in ("search", "music") else str(rng.randint(1, 9999))
    content = (
        value
        if plain
        else json.dumps({rng.choice(("result", "value", "answer", "price")): int(value) if value.isdigit() else value}, ensure_ascii=False)
    )
    return content, f"결과는 {value}입니다." if korean else f"The result is {value}."


def tool_conversation(language: Language, rng: random.Random, varied: bool = False) -> tuple[list[Message], list[Message], bool]:
    """Messages and tool definitions of one conversation about tools; the last flag: is the call forced?

    `varied` names some tools in ways that only copying gets right.

    Most call the right tool, and half of these go on with its result. Some have no fitting tool. A
    forced call (`tool_choice`) is bare JSON, whose first token the trainer leaves out of the loss.
    """
    kinds = rng.sample(list(_KINDS), rng.choice((1, 1, 2, 2, 3, 4)))
    if {"calculate", "add"} <= set(kinds):
        kinds.remove("add")
    tools = [_draw_tool(kind, rng, varied) for kind in kinds]
    definitions = [tool for tool, _ in tools]
    others = [kind for kind in ("weather", "time", "stock") if kind not in kinds]
    if others and rng.random() < 0.12:  # no tool fits
        kind = rng.choice(others)
        prompt = choose(rng.choice(_ASK[kind][language]), rng).format(x=Word(_subject(kind, language, rng)))
        return [{"role": "user", "content": prompt}, {"role": "assistant", "content": DO_NOT_KNOW[language]}], definitions, False
    chosen = rng.randrange(len(kinds))
    kind, (tool, keys) = kinds[chosen], tools[chosen]
    template = choose(rng.choice(_ASK[kind][language]), rng)
    arguments: dict[str, Any]
    if kind == "add":
        a, b = rng.randint(1, 999), rng.randint(1, 999)
        subject, arguments = f"{a} + {b}", dict(zip(keys, (a, b), strict=True))
        prompt = template.format(a=a, b=b)
    else:
        subject = _subject(kind, language, rng)
        arguments = {keys[0]: subject}
        prompt = template.format(x=Word(subject))
    name = tool["function"]["name"]
    forced = rng.random()
    if forced < 0.20:
        bare = json.dumps(arguments if forced < 0.12 else [{"name": name, "parameters": arguments}], ensure_ascii=False)
        # A call forced by name: the tools are listed, and the answer is the arguments alone.
        return [{"role": "user", "content": prompt}, {"role": "assistant", "content": bare}], definitions, True
    messages: list[Message] = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": name, "arguments": arguments}}]},
    ]
    if rng.random() < 0.5:
        content, sentence = _result(kind, language, subject, rng)
        messages += [{"role": "tool", "content": content}, {"role": "assistant", "content": sentence}]
    return messages, definitions, False
