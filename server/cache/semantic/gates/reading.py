"""What all gates look at: a text taken apart once into words with their meanings, numbers, dates, names and code."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from server.cache.semantic.gates import moments as when
from server.cache.semantic.gates.english import english_units, expand
from server.cache.semantic.gates.korean import korean_units
from server.cache.semantic.gates.quantities import Quantity, blanked, quantities
from server.cache.semantic.gates.unit import Unit

INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe00-\ufe0f]")
QUOTED = re.compile(r"```.+?```|`[^`]+`|\"[^\"]+\"|“[^”]+”|‘[^’]+’|『[^』]+』|「[^」]+」|(?<![\w])'[^']+'(?!\w)", re.DOTALL)
KEPT_FROM = re.compile(r"\b(?:keep|stop|prevent)s? ((?:\w+ ){1,3})from (\w+ing)\b")
_TWO_FACTOR = r"(?:two|2)[- ](?:factor|step)(?: (?:auth(?:entication)?|verification|login))?"
# names with a number in them, which is no quantity
NUMBERED = [
    (re.compile(r"\bworld war (?:i|one|1)\b|\bfirst world war\b|\bww1\b"), "wwone"),
    (re.compile(r"\bworld war (?:ii|two|2)\b|\bsecond world war\b|\bww2\b"), "wwtwo"),
    (re.compile(r"\blike i(?: a|')?m (?:five|5)(?: years old)?\b|\beli5\b"), "simply"),
    (re.compile(rf"\b(?:2fa|mfa|{_TWO_FACTOR})\b"), "twofactor"),
    (re.compile(r"2단계\s?(?:인증|보안|로그인)|이중\s?인증|2차\s?인증|투팩터\s?(?:인증)?|이단계\s?인증|2fa"), "이중인증"),
]
NAMES_WITH_DIGITS = re.compile(r"\b(?:mp[34]|h264|a4|usb ?3|s3|ec2|b2b|b2c|5g|4g|covid[- ]?19|office 365|windows \d+)\b")
DIGITS = str.maketrans("0123456789", "abcdefghij", " -")
AMERICA = re.compile(r"\bU\.?S\.?(?:A\b\.?)?(?=[\s?.,!]|$)")  # else "us"
PUNCTUATION = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "，": ",", "？": "?"})


@dataclass(frozen=True)
class Reading:
    """One question, read. `folded` is what the numbers' positions refer to."""

    raw: str  # without invisible characters, in Unicode form NFKC
    folded: str
    language: str  # "ko", "en", or the script's name ("cjk", "kana", "cyrillic", ...; "" without letters)
    quoted: tuple[str, ...]
    dates: frozenset[when.Date]
    quantities: tuple[Quantity, ...]
    units: tuple[Unit, ...]

    @property
    def content(self) -> tuple[Unit, ...]:
        return tuple(unit for unit in self.units if unit.content)


@lru_cache(maxsize=1024)
def read(text: str) -> Reading:
    """Reads a question. Never raises; time grows linearly with the text."""
    raw = INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).strip()
    quoted = tuple(match.strip("`\"'“”‘’『』「」 \n") for match in QUOTED.findall(raw))
    language = language_of(QUOTED.sub(" ", raw)) or language_of(raw)
    raw = AMERICA.sub("USA", raw)
    folded = raw.translate(PUNCTUATION).casefold()
    if language == "en":
        folded = KEPT_FROM.sub(r"\1not \2", expand(folded))
    for name, instead in NUMBERED:
        folded = name.sub(instead, folded)
    folded = NAMES_WITH_DIGITS.sub(lambda match: match[0].translate(DIGITS), folded)
    dates, spans = when.find(folded)
    rest = blanked(folded, spans)
    numbers = quantities(rest)
    rest = blanked(rest, [(q.start, q.end) for q in numbers])
    units = korean_units(rest) if language == "ko" else english_units(rest)
    return Reading(raw, folded, language, quoted, dates, numbers, units)


def language_of(text: str) -> str:
    """Korean when a fair part of the letters is Hangul (a syllable weighs two and a half Latin letters), else by the commonest script."""
    counts: dict[str, int] = {}
    for letter in text:
        if letter.isalpha():
            counts[script(letter)] = counts.get(script(letter), 0) + 1
    if not counts:
        return ""
    if counts.get("ko", 0) * 2.5 >= counts.get("en", 0) and counts.get("ko"):
        return "ko"
    return max(counts, key=counts.__getitem__)


@lru_cache(maxsize=8192)
def script(letter: str) -> str:
    name = unicodedata.name(letter, "UNKNOWN").split()[0].casefold()
    return {"hangul": "ko", "latin": "en", "hiragana": "kana", "katakana": "kana"}.get(name, name)
