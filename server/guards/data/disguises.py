"""Ways to write personal data so that a naive expression misses it. VALUES change the value, FRAMES the text around it."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

Parts = list[tuple[str, str]]  # text, category; no category: not personal data

_HANGUL = str.maketrans("0123456789", "공일이삼사오육칠팔구")
_CHINESE = str.maketrans("0123456789", "〇一二三四五六七八九")
_FULL = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_MATHS = str.maketrans("0123456789", "".join(chr(0x1D7EC + index) for index in range(10)))
_CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
_CYRILLIC = str.maketrans("aeopcxyMHO", "аеорсхуМНО")
_LEET = str.maketrans("01", "Ol")
_LEADS, _VOWELS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TAILS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"


def _separated(by: str) -> Callable[[str, str, random.Random], str]:
    return lambda value, category, rng: re.sub(r"[-\s]+", by, value) if re.search(r"\d[-\s]+\w", value) else value


def _grouped(value: str) -> str:
    """With hyphens, if it has none."""
    if value.isdigit() and len(value) == 13:
        return f"{value[:6]}-{value[6:]}"
    if value.isdigit() and len(value) == 11:
        return f"{value[:3]}-{value[3:7]}-{value[7:]}"
    return value


def _between(*marks: str) -> Callable[[str, str, random.Random], str]:
    """One of the marks inside, at two places."""

    def change(value: str, category: str, rng: random.Random) -> str:
        for _ in range(2):
            at = rng.randint(1, len(value) - 1)
            value = value[:at] + rng.choice(marks) + value[at:]
        return value

    return change


def _spread(value: str, category: str, rng: random.Random) -> str:
    return " ".join(re.sub(r"[-\s]", rng.choice(["", "-"]), value))


def _mixed(value: str, category: str, rng: random.Random) -> str:
    return "".join(character.translate(_HANGUL) if rng.random() < 0.35 else character for character in value)


def _tags(value: str, category: str, rng: random.Random) -> str:
    return "".join(chr(0xE0000 + ord(character)) if character.isdigit() and rng.random() < 0.5 else character for character in value)


def _jamo(text: str) -> str:
    out = []
    for character in text:
        code = ord(character) - 0xAC00
        if 0 <= code < 11172:
            out.append(_LEADS[code // 588] + _VOWELS[code % 588 // 28] + _TAILS[code % 28].strip())
        else:
            out.append(character)
    return "".join(out)


def _in_json(parts: Parts, rng: random.Random) -> Parts:
    key = rng.choice(["value", "content", "메모", "data", "field"])
    return [
        (f'{{"id": {rng.randint(1, 99)}, "{key}": "', ""),
        *[(json.dumps(text, ensure_ascii=False)[1:-1], category) for text, category in parts],
        ('"}', ""),
    ]


def _in_table(parts: Parts, rng: random.Random) -> Parts:
    return [
        ("| 항목 | 내용 |\n|---|---|\n| ", ""),
        *[(text.replace("\n", " "), category) for text, category in parts],
        (" |\n| 비고 | 없음 |", ""),
    ]


def _in_code(parts: Parts, rng: random.Random) -> Parts:
    return [(f'```python\nnote_{rng.randint(1, 9)} = "', ""), *parts, ('"\nprint(note)\n```', "")]


def _coded(how: Callable[[str], str]) -> Callable[[Parts, random.Random], Parts]:
    """The sentence around stays; the value, with the words it needs, is encoded."""

    def change(parts: Parts, rng: random.Random) -> Parts:
        category = next(category for _, category in parts if category)
        text = "".join(text for text, _ in parts)
        before = rng.choice(["Decode this: ", "다음을 풀어줘: ", "data=", "원문: "])
        return [(before, ""), (how(text), category)]

    return change


def _cho(text: str) -> str:
    return "".join(_LEADS[(ord(c) - 0xAC00) // 588] if 0 <= ord(c) - 0xAC00 < 11172 else c for c in text)


def _around(change: Callable[[str], str]) -> Callable[[Parts, random.Random], Parts]:
    return lambda parts, rng: [(text if category else change(text), category) for text, category in parts]


def _particle(parts: Parts, rng: random.Random) -> Parts:
    """A particle right after the value."""
    first = next(index for index, (_, category) in enumerate(parts) if category)
    particle = rng.choice(["으로", "로", "이야", "입니다", "이고", "에서", "가", "를", "은", "한테", "이라고"])
    return [*parts[: first + 1], (particle + " " + parts[first + 1][0].lstrip("가-힣"), ""), *parts[first + 2 :]]


VALUES: Mapping[str, Callable[[str, str, random.Random], str]] = {
    "space": lambda value, category, rng: _separated(" ")(_grouped(value), category, rng),
    "dot": lambda value, category, rng: _separated(".")(_grouped(value), category, rng),
    "slash": lambda value, category, rng: _separated("/")(_grouped(value), category, rng),
    "en_dash": lambda value, category, rng: _separated(rng.choice("–—‐−―"))(_grouped(value), category, rng),
    "middle_dot": lambda value, category, rng: _separated(rng.choice("·ㆍ・•"))(_grouped(value), category, rng),
    "wide_hyphen": lambda value, category, rng: _separated(" - ")(_grouped(value), category, rng),
    "underscore": lambda value, category, rng: _separated("_")(_grouped(value), category, rng),
    "newline": lambda value, category, rng: _separated("\n")(_grouped(value), category, rng),
    "no_separator": lambda value, category, rng: _separated("")(value, category, rng),
    "spoken_hyphen": lambda value, category, rng: _separated(rng.choice([" 다시 ", "에 ", "ㅡ"]))(_grouped(value), category, rng),
    "spread": _spread,
    "full_width": lambda value, category, rng: value.translate(_FULL),
    "math_digits": lambda value, category, rng: value.translate(_MATHS),
    "circled_digits": lambda value, category, rng: value.translate(_CIRCLED),
    "keycaps": lambda value, category, rng: re.sub(r"\d", lambda found: found[0] + "\ufe0f\u20e3", value),
    "hangul_digits": lambda value, category, rng: value.translate(_HANGUL),
    "chinese_digits": lambda value, category, rng: value.translate(_CHINESE),
    "mixed_digits": _mixed,
    "zero_width": _between("\u200b", "\u200c", "\u200d", "\ufeff", "\u2060"),
    "soft_hyphen": _between("\u00ad"),
    "bidi": _between("\u200e", "\u200f", "\u202a", "\u2066", "\u202c"),
    "variation": _between("\ufe0e", "\ufe0f", "\U000e0101"),
    "tags": _tags,
    "homoglyph": lambda value, category, rng: value.translate(_CYRILLIC),
    "leetspeak": lambda value, category, rng: value.translate(_LEET),
    "percent": lambda value, category, rng: re.sub(r"\d", lambda found: f"%3{found[0]}", value),
    "unicode_escape": lambda value, category, rng: re.sub(r"\d", lambda found: f"\\u003{found[0]}", value),
    "html_entity": lambda value, category, rng: re.sub(r"\d", lambda found: f"&#{ord(found[0])};", value),
    "jamo_value": lambda value, category, rng: _jamo(value),
    "at_dot": lambda value, category, rng: value.replace("@", rng.choice([" [at] ", "(at)", " 골뱅이 ", " @ "])).replace(
        ".", rng.choice([".", "[dot]"])
    ),
}

FRAMES: Mapping[str, Callable[[Parts, random.Random], Parts]] = {
    "json": _in_json,
    "table": _in_table,
    "code": _in_code,
    "particle": _particle,
    "base64": _coded(lambda text: base64.b64encode(text.encode()).decode()),
    "base64url": _coded(lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")),
    "hex": _coded(lambda text: text.encode().hex()),
    "url": lambda parts, rng: [("https://example.com/find?q=", ""), *[(quote(text, safe=""), category) for text, category in parts]],
    "jamo": _around(_jamo),
    "choseong": _around(_cho),
    "code_switch": lambda parts, rng: [("hey, can you check 이거 please: ", ""), *parts, (" thanks 부탁해요", "")],
}

WHOLE = ("base64", "base64url", "hex")  # one span is all of it
_FRAMED = ["json", "table", "code", "base64", "base64url", "hex", "url", "code_switch"]
_DIGITS = [
    "full_width",
    "math_digits",
    "circled_digits",
    "hangul_digits",
    "chinese_digits",
    "mixed_digits",
    "keycaps",
    "percent",
    "unicode_escape",
    "html_entity",
]
_INSIDE = ["zero_width", "soft_hyphen", "bidi", "variation"]
_BETWEEN = ["space", "dot", "slash", "en_dash", "middle_dot", "wide_hyphen", "underscore"]
_STRONG = [
    *_BETWEEN,
    "no_separator",
    "spread",
    "newline",
    "spoken_hyphen",
    *_DIGITS,
    *_INSIDE,
    "tags",
    "leetspeak",
    "particle",
    "jamo",
    "choseong",
    *_FRAMED,
]

FOR: Mapping[str, list[str]] = {
    "resident_number": _STRONG,
    "foreigner_number": _STRONG,
    "phone": _STRONG,
    "card": [*_BETWEEN[:4], "no_separator", "spread", *_DIGITS, *_INSIDE, "tags", *_FRAMED],
    "bank_account": ["space", "en_dash", "full_width", "hangul_digits", *_INSIDE, "jamo", *_FRAMED],
    "business_number": ["space", "en_dash", "middle_dot", "wide_hyphen", *_DIGITS, *_INSIDE, *_FRAMED],
    "drivers_license": ["space", "en_dash", "dot", *_DIGITS, *_INSIDE, *_FRAMED],
    "passport": ["full_width", *_INSIDE, "homoglyph", *_FRAMED],
    "address": ["jamo_value", *_INSIDE, "full_width", *_FRAMED],
    "email": ["at_dot", "full_width", "homoglyph", *_INSIDE, "tags", "particle", *_FRAMED],
    "us_ssn": ["en_dash", "full_width", *_INSIDE, *_FRAMED],
    "*": [*_INSIDE, "full_width", *_FRAMED],
}
