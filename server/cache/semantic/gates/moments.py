"""Dates and times of day in a text, English and Korean, in parts that can be compared: month 3, day 5, clock 900 (minutes)."""

# ruff: noqa: E501, SIM905 (tables: one row a line, lists of words as words)

from __future__ import annotations

import re
from functools import lru_cache

Date = tuple[str, int]

MONTHS = "january february march april may june july august september october november december".split()
SHORT = {month[:3]: i + 1 for i, month in enumerate(MONTHS)} | {"sept": 9}
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
KOREAN_WEEKDAYS = {day: i + 1 for i, day in enumerate("월화수목금토일")}
NAME = rf"(?:{'|'.join(MONTHS)}|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?)"
# "may" and "march" are verbs too: a month only beside a number or after a preposition of time
SURE = "|".join(m for m in MONTHS if m not in ("may", "march"))

PATTERNS = [
    ("iso", r"\b(?P<year>\d{4})[-./](?P<month>\d{1,2})[-./](?P<day>\d{1,2})\b"),
    ("korean", r"(?:(?P<year>\d{4})년\s?)?(?<!\d)(?P<month>1[0-2]|[1-9])월(?:\s?(?P<day>[12]?\d|3[01])일)?"),
    ("year_ko", r"(?<!\d)(?P<year>(?:1[5-9]|20)\d\d)년(?!\s?[간동전후치짜])"),
    ("slash", r"(?<![\d/])(?P<first>\d{1,2})/(?P<second>\d{1,2})(?:/(?P<year>\d{4}))?(?![\d/])"),
    ("day_name", rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<name>{NAME})(?:,?\s+(?P<year>\d{{4}}))?"),
    ("name_day", rf"\b(?P<name>{NAME})\s+(?:the\s+)?(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?\b(?!:)(?:,?\s+(?P<year>\d{{4}})\b)?"),
    ("name_year", rf"\b(?P<name>{NAME}),?\s+(?P<year>\d{{4}})\b"),
    ("name", rf"\b(?P<name>{SURE})\b|(?<=\bin )(?P<name2>may|march)\b|(?:last|next|this) (?P<name3>may|march)\b"),
    ("weekday", rf"\b(?P<weekday>{'|'.join(WEEKDAYS)})s?\b"),
    ("weekday_ko", r"(?P<korean>[월화수목금토일])요일"),
    ("clock", r"\b(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s?(?P<half>a\.?m\b\.?|p\.?m\b\.?|o'?clock)"),
    ("clock24", r"(?<![\d:])(?P<hour>\d{1,2}):(?P<minute>\d\d)(?![\d:])"),
    ("clock_ko", r"(?:(?P<half>오전|오후|새벽|아침|낮|저녁|밤)\s?)(?P<hour>\d{1,2}|[한두세네]|다섯|여섯|일곱|여덟|아홉|열두|열한|열)\s?시(?!간)(?:\s?(?P<minute>\d{1,2})분|\s?(?P<thirty>반))?"),
    ("noon", r"\b(?P<noon>noon|midday|midnight)\b|(?P<noon_ko>정오|자정)"),
    ("year", r"(?<![\w.,$€£])(?P<year>(?:1[5-9]|20)\d\d)(?=[\s?.,!)]|$)(?!\s?(?:won|원|dollars|words|mah|ml|g\b|kg|m\b|km|mb|gb|w\b|calories|kcal|steps|people|characters))"),
]  # fmt: skip
FINDERS = [(kind, re.compile(pattern)) for kind, pattern in PATTERNS]
NATIVE = dict(zip("한 두 세 네 다섯 여섯 일곱 여덟 아홉 열 열한 열두".split(), range(1, 13), strict=True))


@lru_cache(maxsize=4096)
def find(text: str) -> tuple[frozenset[Date], list[tuple[int, int]]]:
    """The dates of a folded text as (part, number), and where they stand; what two patterns both match belongs to the earlier."""
    found: set[Date] = set()
    spans: list[tuple[int, int]] = []
    for kind, finder in FINDERS:
        for match in finder.finditer(text):
            if not any(start < match.end() and match.start() < end for start, end in spans):
                spans.append(match.span())
                found |= _parts(kind, {name: value for name, value in match.groupdict().items() if value})
    return frozenset(found), spans


def _parts(kind: str, group: dict[str, str]) -> set[Date]:
    if kind.startswith("clock"):
        return {_clock(group)}
    if kind == "noon":
        return {("clock", 0 if group.get("noon") == "midnight" or group.get("noon_ko") == "자정" else 720)}
    parts: set[Date] = {(name, int(group[name])) for name in ("year", "month", "day", "first", "second") if name in group}
    if name := group.get("name") or group.get("name2") or group.get("name3"):
        parts.add(("month", SHORT[name.rstrip(".")[:3]]))
    if "weekday" in group:
        parts.add(("weekday", WEEKDAYS.index(group["weekday"]) + 1))
    if "korean" in group:
        parts.add(("weekday", KOREAN_WEEKDAYS[group["korean"]]))
    return parts


def _clock(group: dict[str, str]) -> Date:
    """Minutes after midnight; without morning or afternoon ("3 o'clock") as minutes of a half day."""
    hour = NATIVE.get(group["hour"]) or int(group["hour"])
    minutes = int(group.get("minute", 30 if "thirty" in group else 0))
    half = group.get("half", "").replace(".", "")
    if half == "o'clock" or half == "oclock":
        return ("half day", hour % 12 * 60 + minutes)
    if half in ("pm", "오후", "낮", "저녁", "밤"):
        hour = hour % 12 + 12
    elif half:
        hour %= 12
    return ("clock", hour * 60 + minutes)
