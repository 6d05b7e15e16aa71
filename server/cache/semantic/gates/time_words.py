"""Words of time must agree: today is not tomorrow, before is not after, what was is not what will be."""

# ruff: noqa: E501 (tables: one row a line, lists of words as words)

from __future__ import annotations

import re

from server.cache.semantic.gates.marks import Marks, only_one
from server.cache.semantic.gates.reading import read

TIMES = Marks(
    {
        "today": r"\btoday\b | \btonight\b | 오늘 | 금일",
        "tomorrow": r"(?<!after\s)\btomorrow\b | 내일 | 명일",
        "day after tomorrow": r"\bday\ after\ tomorrow\b | (?<![가-힣])모레 | 내일모레",
        "yesterday": r"\byesterday\b | 어제 | 전날",
        "day before yesterday": r"\bday\ before\ yesterday\b | 그저께 | 그제",
        "this": r"\bthis\ (?:week|month|year|weekend|morning|evening|afternoon|semester|season|quarter)\b | 이번 | 올해 | 금년 | 이달 | 금주",
        "next": r"\bnext\ (?:week|month|year|weekend|semester|season|quarter|time)\b | \bupcoming\b | \bcoming\ (?:week|month|year)\b | 다음\s?(?:주|달|해|학기|번|주말|시즌|분기) | 내년 | 명년",
        "last": r"\b(?:last|previous|past)\ (?:week|month|year|weekend|night|semester|season|quarter|time)\b | 지난 | 저번 | 작년 | 전년 | 지난해",
        "ago": r"\bago\b | \d\s?(?:일|년|주|개월|시간|달|분)\s?전(?!환|화|체|기|송|달) | 며칠\s전",
        "before": r"\bbefore\b | \bprior\ to\b | 기\s?전에 | [가-힣]\s전에 | (?<=[가-힣])전에(?=\s|$) | 이전에",
        "after": r"\bafter\b(?!\ tomorrow) | \bonce\ i\b | [은ㄴ]\s?[후뒤]에? | 고\s?나서 | \s후에?(?=\s|$) | 이후 | [한된난온간은운든킨룬]\s?[다뒤]?[음]?\s?[뒤후]에?",
        "during": r"\bduring\ (?:the\ )?(?:call|flight|exam|meeting|class|trial|movie|war|test|interview|night|day|sleep|meal)\b | 도중 | 동안에 | 중에",
        "until": r"\buntil\b | \btill\b",
        "since": r"\bsince\b",
        "already": r"\balready\b | 이미 | 벌써",
        "yet": r"\byet\b | \bstill\b | 아직 | 여전히",
        "daily": r"\b(?:daily|every\ day|each\ day|per\ day|a\ day)\b(?!\ (?:a|of|per)\b) | 매일 | 날마다 | 하루에 | 일일",
        "weekly": r"\b(?:weekly|every\ week|each\ week|per\ week|a\ week|once\ a\ week)\b | 매주 | 주마다 | 일주일에 | 한\s?주에 | 주간",
        "monthly": r"\b(?:monthly|every\ month|each\ month|per\ month|a\ month)\b | 매달 | 매월 | 달마다 | 한\s?달에 | 월간",
        "yearly": r"\b(?:yearly|annual|annually|every\ year|each\ year|per\ year|a\ year)\b | 매년 | 해마다 | 일\s?년에 | 연간",
        "hourly": r"\b(?:hourly|every\ hour|per\ hour|an\ hour)\b | 매시간 | 시간당 | 시간마다",
        "morning": r"\bmorning\b | 아침 | 오전",
        "afternoon": r"\bafternoon\b | 오후",
        "evening": r"\bevening\b | 저녁",
        "night": r"\bnight\b(?!\ mode) | \bovernight\b | (?<![가-힣])밤(?!색) | 야간(?!\s?모드)",
        "weekend": r"\bweekends?\b | 주말",
        "spring": r"\bin\ (?:the\ )?spring\b | (?<![가-힣])봄(?=[\s에철]|$)",
        "summer": r"\bsummer\b | 여름",
        "autumn": r"\bautumn\b | \bfall\ season\b | 가을",
        "winter": r"\bwinter\b | 겨울",
        "holiday": r"\bchristmas\b | 크리스마스 | 성탄절",
        "new year": r"\bnew\ year | (?<![가-힣])설날 | 새해",
        "permanently": r"\bpermanent(?:ly)?\b | \bforever\b | \bfor\ good\b | 영구 | 영원 | 아예 | 완전히",
        "temporarily": r"\btemporar(?:y|ily)\b | \bfor\ a\ while\b | 임시 | 일시 | 잠시 | 잠깐 | 당분간",
        "recently": r"(?<!most\ )\brecent(?:ly)?\b | \blately\b | 최근 | 요즘 | 요새",
        "soon": r"\bsoon\ after\b | 곧(?=\s)",
    }
)  # fmt: skip
FRAME = re.compile(r"\bwhat is (?:the|a)\b")  # "what is the reason it was late" asks about the past
PAST = re.compile(r"\b(?:was|were|did|had|used to)\b")
AHEAD = re.compile(r"\b(?:should|will|going to)\b")
COPULA = re.compile(r"\b(?:is|are|am)\b")
MODAL = re.compile(r"\b(?:should|can|could|may|might|must|would|need)\b")
PRESENT = re.compile(r"\b(?:is|are|am|do|does)\b")
FUTURE_BE = re.compile(r"\b(?:will (?:\w+ ){0,3}?be|going to be)\b")
FUTURE = re.compile(r"\b(?:will|going to)\b")
PAST_ENDING = re.compile(
    r"[\uac00-\ud7a3]*?([았었였했갔됐왔샀봤졌났켰랐겼렸])(?:나요|습니까|어요|어|습니다|는지|을까|을까요|죠|는가|니|냐)[?？.!\s]*$"
)
BEFORE_A_TIME = re.compile(r"([가-힣])\s(?:날짜|시점|시간|시기|날|해)(?=[가이는을를\s?]|$)")
PLAIN_ENDING = re.compile(
    r"(?<=[가-힣])[될할울릴올갈날]까요[?？.!\s]*$|(?:하|되|오|가|나|주|열|있|리|지)(?:나요|는지|는가|니|냐)[?？.!\s]*$|[ㅂ습]니까[?？.!\s]*$|(?:합|됩|옵|갑|립|줍)니까[?？.!\s]*$"
)


def time_words(a: str, b: str) -> str | None:
    """Objects when a word of time is only in one of them, or one asks about the past and the other does not."""
    if why := only_one("time:", TIMES.find(a), TIMES.find(b)):
        return why
    tense_a, tense_b = tense(a), tense(b)
    behind = [bool(PAST.search(read(text).folded)) for text in (a, b)]
    if behind[0] != behind[1] and AHEAD.search(read(b if behind[0] else a).folded):
        return "one is about the past, the other about what is to be done"
    if {tense_a, tense_b} == {"future", "present"} and not (COPULA.search(read(a).folded) or COPULA.search(read(b).folded)):
        return None
    if tense_a and tense_b and tense_a != tense_b:
        return f"{tense_a} in one, {tense_b} in the other"
    return None


def tense(text: str) -> str:
    """ "past", "present" or "future" of the question's own verb; "" where it cannot be told or does not matter."""
    reading = read(text)
    if reading.language == "ko":
        if (match := BEFORE_A_TIME.search(reading.folded)) and ord(match[1]) >= 0xAC00:
            final = (ord(match[1]) - 0xAC00) % 28  # 4: ㄴ, as in 나온; 8: ㄹ, as in 나올
            if match[1] == "는" or final in (4, 8):
                return "past" if final == 4 and match[1] != "는" else "present"
        return "past" if PAST_ENDING.search(reading.folded) else "present" if PLAIN_ENDING.search(reading.folded) else ""
    folded = FRAME.sub("", reading.folded)
    past, present = bool(PAST.search(reading.folded)), bool(PRESENT.search(folded))
    if FUTURE_BE.search(reading.folded):
        return "" if past else "future"
    if FUTURE.search(reading.folded):
        return ""
    if past and not present and not MODAL.search(reading.folded):
        return "past"
    return "present" if not past and (present or MODAL.search(reading.folded)) else ""
