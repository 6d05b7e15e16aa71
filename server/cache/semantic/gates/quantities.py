"""Numbers with their units, in digits and in words, English and Korean, brought to one base unit: "three hours" is 180 minutes.

Also used to blank them out of a text, so that the words beside them are compared without them.
"""

# ruff: noqa: E501, SIM905 (tables: one row a line, lists of words as words)

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = {word: Decimal(i) for i, word in enumerate(ONES)} | {word: Decimal(20 + 10 * i) for i, word in enumerate(TENS)}
SCALES = {"hundred": Decimal(100), "thousand": Decimal(1000), "million": Decimal(10**6), "billion": Decimal(10**9), "dozen": Decimal(12)}
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()

NATIVE = dict(zip("하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열".split(), range(1, 11), strict=True))
NATIVE |= {"한": 1, "두": 2, "세": 3, "네": 4, "스무": 20, "스물": 20, "서른": 30, "마흔": 40, "쉰": 50, "예순": 60}
SINO = dict(zip("일이삼사오육칠팔구", range(1, 10), strict=True))
SINO_SCALES = {"십": 10, "백": 100, "천": 1000}
KOREAN_SCALES = {"만": 10**4, "억": 10**8, "천": 1000, "백": 100, "천만": 10**7, "백만": 10**6, "조": 10**12}
DAYS = {"하루": 1, "이틀": 2, "사흘": 3, "나흘": 4, "닷새": 5, "엿새": 6, "열흘": 10, "보름": 15, "일주일": 7}

_BASE = """
s 1 second seconds sec secs s 초 초간
s 60 minute minutes min mins 분 분간
s 3600 hour hours hr hrs h 시간
s 86400 day days 일 일간 일동안 박
s 604800 week weeks wk wks 주 주일 주간
mo 1 month months 개월 달
mo 12 year years yr yrs 년 년간 해
g 0.001 mg milligram milligrams 밀리그램
g 1 g gram grams 그램
g 1000 kg kilo kilos kilogram kilograms 킬로그램
lb 1 lb lbs pound pounds 파운드
oz 1 oz ounce ounces 온스
m 0.001 mm millimeter millimeters millimetre millimetres 밀리미터
m 0.01 cm centimeter centimeters centimetre centimetres 센티 센티미터
m 1 m meter meters metre metres 미터
m 1000 km kilometer kilometers kilometre kilometres 킬로미터 킬로
in 1 inch inches 인치
in 12 foot feet ft 피트
mi 1 mile miles 마일
l 0.001 ml milliliter milliliters millilitre millilitres 밀리리터
l 1 l liter liters litre litres 리터
cup 1 cup cups 컵
tbsp 1 tablespoon tablespoons tbsp 큰술 스푼 숟가락
tsp 1 teaspoon teaspoons tsp 작은술 티스푼
c 1 °c celsius degrees-celsius 섭씨
f 1 °f fahrenheit degrees-fahrenheit 화씨
deg 1 degree degrees ° 도
% 1 % percent pct 퍼센트 프로
b 1e3 kb kilobyte kilobytes 킬로바이트
b 1e6 mb megabyte megabytes 메가 메가바이트
b 1e9 gb gig gigs gigabyte gigabytes 기가 기가바이트
b 1e12 tb terabyte terabytes 테라 테라바이트
usd 1 $ dollar dollars usd bucks 달러 불
eur 1 € euro euros eur 유로
gbp 1 £ gbp
jpy 1 ¥ yen 엔
krw 1 ₩ won krw 원
word 1 word words 단어
char 1 character characters 글자 자
sentence 1 sentence sentences 문장
line 1 line lines 줄
paragraph 1 paragraph paragraphs 문단 단락
page 1 page pages 쪽 페이지 장
person 1 person people persons 명 사람 인 분이 인분 servings serving
time 1 times 번 회 차례
age 1 years-old year-old 살 세
cal 1 calorie calories kcal 칼로리
mph 1 mph
kmh 1 kmh km/h
px 1 px pixels pixel 픽셀
floor 1 층
"" 1 개 마리 권 잔 병 대 가지 군데 곳 채 벌 켤레 그루 송이 편 통 매 판 조각 건 등 위 호 차 과 단계 학년
"""
UNITS: dict[str, tuple[str, Decimal]] = {}
for _line in _BASE.strip().splitlines():
    _unit, _scale, *_names = _line.split()
    UNITS |= {name.replace("-", " "): (_unit.strip('"'), Decimal(_scale)) for name in _names}

_latin = sorted((u for u in UNITS if not re.match("[가-힣]", u)), key=len, reverse=True)
_hangul = sorted((u for u in UNITS if re.match("[가-힣]", u)), key=len, reverse=True)
UNIT = rf"(?:(?:{'|'.join(map(re.escape, _latin))})(?![a-z])|(?:{'|'.join(_hangul)}))"
DIGITS = r"\d+(?:,\d{3})*(?:\.\d+)?"
ENGLISH = rf"(?:{'|'.join(sorted([*WORDS, *SCALES], key=len, reverse=True))})"
_native = "|".join(sorted(NATIVE, key=len, reverse=True))
_sino = "[일이삼사오육칠팔구십백천]"

PATTERNS = [
    ("currency", rf"(?P<unit>[$€£¥₩])\s?(?P<n>{DIGITS})\s?(?P<scale>k\b|m\b|thousand|million|billion)?"),
    ("ordinal", r"\b(?P<n>\d+)(?:st|nd|rd|th)\b"),
    ("ordinal_word", rf"\b(?<!per )(?P<n>{'|'.join(ORDINALS)})\b(?! of all| aid)"),
    ("ordinal_ko", rf"(?P<n>\d+|{_native}|첫)\s?(?:번째|째)"),
    ("digits", rf"(?<![\w.])(?P<sign>[-−])?(?P<n>{DIGITS})\s?(?P<scale>천만|백만|만|억|천|백|조|hundred|thousand|million|billion)?(?:[\s-]?(?P<unit>{UNIT}))?(?P<half>\s?반)?(?![a-z0-9])"),
    ("words", rf"\b(?P<n>{ENGLISH}(?:(?:\s+and)?[\s-]+{ENGLISH})*)\b(?:[\s-]?(?P<unit>{UNIT}))?"),
    ("half", rf"\bhalf\s+(?:an?\s+)?(?P<unit>{UNIT})"),
    ("article", r"\ban?\s+(?P<unit>hour|minute|day|week|month|year|dozen|kilo|kilogram|liter|mile|cup)(?![a-z])"),
    ("days", rf"(?P<n>{'|'.join(DAYS)})(?![가-힣]{{2}}리)"),
    ("native", rf"(?<![가-힣])(?P<n>{_native})\s?(?P<unit>{'|'.join(_hangul)})(?P<half>\s?반)?"),
    ("native_alone", r"(?<![가-힣])(?P<n>하나|둘|셋|넷|다섯|여섯|일곱|여덟|아홉)(?=$|[\s만을를이가은는로도])"),
    ("sino", rf"(?<![가-힣])(?P<n>{_sino}+)(?P<scale>만|억)?\s?(?P<unit>개월|년|분|원|퍼센트|프로|킬로|미터|인분|층|박|주|리터|그램|세|센티|달러)(?=$|[\s은는이가을를에의로도만까부짜씩동간안])"),
]  # fmt: skip
FINDERS = [(kind, re.compile(pattern)) for kind, pattern in PATTERNS]
MULTIPLES = {"twice": 2, "once": 1, "double": 2, "triple": 3}


@dataclass(frozen=True)
class Quantity:
    value: Decimal
    unit: str  # "" where none is known, "th" for an ordinal
    start: int
    end: int

    @property
    def key(self) -> tuple[Decimal, str]:
        return (self.value.normalize(), self.unit)


@lru_cache(maxsize=4096)
def quantities(text: str) -> tuple[Quantity, ...]:
    """All numbers of a folded text (lower case), in order; where two readings overlap, the earlier pattern's."""
    found: list[Quantity] = []
    for kind, finder in FINDERS:
        for match in finder.finditer(text):
            if any(q.start < match.end() and match.start() < q.end for q in found):
                continue
            if (quantity := _quantity(kind, match)) is not None:
                found.append(quantity)
    return tuple(sorted(found, key=lambda q: q.start))


def _quantity(kind: str, match: re.Match[str]) -> Quantity | None:
    group = match.groupdict()
    name = group.get("unit") or ""
    unit, scale = UNITS.get(name, ("", Decimal(1)))
    start, end = match.span()
    if kind in ("ordinal", "ordinal_word", "ordinal_ko"):
        n = group["n"]
        value = Decimal(n) if n.isdigit() else Decimal(1 if n == "첫" else ORDINALS.index(n) + 1 if n in ORDINALS else NATIVE[n])
        return Quantity(value, "th", start, end)
    if kind == "half":
        return Quantity(scale / 2, unit, start, end)
    if kind == "article":
        return Quantity(Decimal(12), "", start, end) if name == "dozen" else Quantity(scale, unit, start, end)
    if kind == "days":
        return Quantity(Decimal(DAYS[group["n"]] * 86400), "s", start, end)
    if kind == "words":
        if group["n"] == "one" and not name:
            return None  # a pronoun: "a new one"
        value = _english(group["n"])
    elif kind in ("native", "native_alone"):
        value = Decimal(NATIVE[group["n"]])
    elif kind == "sino":
        value = _sino_value(group["n"])
    else:
        value = Decimal(group["n"].replace(",", ""))
    if group.get("scale"):
        small = {"k": Decimal(1000), "m": Decimal(10**6)} | SCALES | {k: Decimal(v) for k, v in KOREAN_SCALES.items()}
        value *= small[group["scale"]]
    if group.get("half"):
        value += Decimal("0.5")
    return Quantity((-value if group.get("sign") else value) * scale, unit, start, end)


def _english(words: str) -> Decimal:
    total = part = Decimal(0)
    for word in re.split(r"[\s-]+", words.replace(" and ", " ")):
        if word in WORDS:
            part += WORDS[word]
        elif word == "hundred" or word == "dozen":
            part = (part or 1) * SCALES[word]
        else:
            total, part = total + (part or 1) * SCALES[word], Decimal(0)
    return total + part


def _sino_value(text: str) -> Decimal:
    total = digit = 0
    for letter in text:
        if letter in SINO:
            digit = SINO[letter]
        else:
            total, digit = total + (digit or 1) * SINO_SCALES[letter], 0
    return Decimal(total + digit)


def blanked(text: str, spans: list[tuple[int, int]]) -> str:
    """`text` with spaces in place of the spans; its length stays."""
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text
