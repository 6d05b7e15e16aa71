"""Korean words by rules, without a morphological analyser: known stems, then particles and endings.

A question is walked through eojeol by eojeol; a word of the lists may reach over the space ("신용 카드" and "신용카드" are one word), and an
eojeol may hold several ("비밀번호변경"). Stems of verbs are compared letter by letter (jamo), so that 바꾸- is found in 바꿀, 바꾼 and 바꾸려면.
In the word lists a verb's stem ends with "-"; one that changes stands twice (바꾸-, 바꿔-). Words that no list knows keep all
readings that their particles and endings allow.
"""

# ruff: noqa: E501, SIM905 (tables: one row a line, lists of words as words)

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import replace
from functools import cache, lru_cache

from server.cache.semantic.gates.english import stem, words_of_english
from server.cache.semantic.gates.lexicon import Lexicon, lexicon
from server.cache.semantic.gates.unit import Unit

PARTICLES = """
은 는 이 가 을 를 에 에서 에게 에게서 한테 한테서 께 께서 로 으로 로서 으로서 로써 으로써 와 과 랑 이랑 하고 도 만 까지 부터 보다 의 나 이나
처럼 마다 조차 밖에 대로 만큼 라도 이라도 란 이란 라는 이라는 라고 이라고 요 이요 들 별 쯤 정도 당 내 중 시 적 적인 적으로 님 씨 용 째 간 동안
""".split()
PARTICLE = "|".join(sorted(PARTICLES, key=len, reverse=True))
TAIL = re.compile(rf"^(?:{PARTICLE}){{0,3}}$")
VERB_TAIL = re.compile(
    rf"^(?:{PARTICLE})?(?:하|해|했|할|한|함|합|핸|되|돼|됐|될|된|됩|됨|시키|시켜|시킬|시킨|당하|당했|당한|드리|드려|받|중|가능)[가-힣]*$"
)
COPULA_TAIL = re.compile(
    r"^(?:인|인가|인지|인데|일|이야|입니|이에|예요|이에요|였|이었|이면|이라|라면|이고|야|죠|이죠|지|이지|이란)[가-힣]*$"
)
ROLES = [
    ("from", re.compile(r"(?:에서|부터|에게서|한테서|에서부터|로부터|으로부터)(?:는|도|만)?$")),
    ("than", re.compile(r"보다(?:는|도)?$")),
    ("to", re.compile(r"(?:까지|에게|한테|께)(?:는|도|만)?$")),
    ("toward", re.compile(r"(?:으로|로)(?:는|도|만)?$")),
    ("object", re.compile(r"[을를]$")),
    ("subject", re.compile(r"(?:이|가|께서)$")),
    ("with", re.compile(r"(?:와|과|랑|이랑|하고)$")),
]
# what may follow a verb's stem: a final consonant of an ending, then syllables that endings and auxiliaries begin with
AFTER_STEM = re.compile(
    "^[\u11ab\u11af\u11b7\u11b8\u11bb]?(?:"
    + "|".join(
        unicodedata.normalize("NFD", s)
        for s in """려 러 는 은 을 고 면 지 기 나 니 서 도 야 요 게 자 던 어 아 까 습 세 시 셔 신 실 줘 주 줄 데 법 때 수 거 걸 것 네 죠 라 며 다 든 더 음 되 돼
        싶 보 봐 놓 둬 두 가 와 버 있 없 해 하 질 진 졌 집 져 으 는 오 였 었 았 여 구 군 을 ᄂ 못 않 안 말 마 볼 본""".split()
    )
    + ")(?![\u11a8-\u11aa\u11ac-\u11ae\u11b0-\u11b6\u11ba\u11bc-\u11ff]).*$|^[\u11ab\u11af\u11b7\u11b8\u11bb]?$",
    re.DOTALL,
)
# the whole of what may follow a stem of one syllable, which would else be found at the beginning of many nouns
AFTER_SHORT_STEM = re.compile(
    "^[\u11ab\u11af\u11b7\u11b8\u11bb]?(?:"
    + "|".join(
        unicodedata.normalize("NFD", s)
        for s in """는 은 을 고 면 지 기 나 니 서 도 야 요 게 자 던 어 아 려면 으려면 려고 으려고 러 는데 은데 나요 까요 을까요 가요 은가요 는가요 어요 아요 어서 아서 여서
        어도 아도 어야 아야 습니다 습니까 니다 니까 세요 으세요 시면 시나요 줘 줘요 주세요 줄래 줄까요 달라고 데 다 다가 다면 거나 면서 며 든지 도록 는지 은지 을지 지요 죠 네요 잖아요
        었어요 았어요 었나요 았나요 었습니다 았습니다 었는데 았는데 었을 았을 었던 았던 어진 아진 지는 지지 기가 기를 기는 기에 기도 기만 는게 는건 는법 다는 다고 라고 라는 요즘 구나 려 려는
        어지는 아지는 어지나요 봐 봐요 본 보려면 볼까요 놓고 두려면 둔 두면 버렸어요 버려요 버리면 있나요 있어요 있는 있을까요 없나요 없어요 없는 여 였어요 였나요 여요 여야 여도 자마자
        으면 으니 음 음을 라 라요 을때 는중 는곳 은곳 시오 십시오 ᆫ가요 긴 길 질 진 졌 져 져요 져서 졌어요 졌는데 지려면 짐""".split()
    )
    + ")?(?:요)?$"
)
TOKEN = re.compile(r"[가-힣ㄱ-ㅣ]+|[^\W_가-힣ㄱ-ㅣ]+(?:[-.'][^\W_가-힣]+)*")
WRITTEN_IN = re.compile(r"([가-힣]어)로\s?(?:된|쓰인|쓴|작성된)(?=\s)")  # "영어로 된 글": from English
HANGUL = re.compile("[가-힣]")
WORDS_OVER_A_SPACE = 3


@lru_cache(maxsize=16384)
def jamo(text: str) -> str:
    """Syllables taken apart into letters (Unicode form NFD)."""
    return unicodedata.normalize("NFD", text)


def normal(phrase: str) -> tuple[str, ...]:
    """A word of the Korean lists: one string without spaces; Latin words by their stem."""
    phrase = phrase.casefold()
    return (phrase.replace(" ", "") if HANGUL.search(phrase) else "".join(stem(word) for word in phrase.split()),)


@cache
def words_of_korean() -> Lexicon:
    return lexicon("ko", normal)


@cache
def _by_beginning() -> dict[str, list[tuple[str, str]]]:
    """First letter -> (letters of the word, the word), longest first."""
    table: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for (word,) in words_of_korean().every:
        if letters := jamo(word.removesuffix("-")):
            table[letters[0]].append((letters, word))
    return {first: sorted(words, key=lambda w: (-len(w[0]), w[1].endswith("-"))) for first, words in table.items()}


def korean_units(text: str) -> tuple[Unit, ...]:
    """The words of a folded text that is mostly Korean."""
    tokens = TOKEN.findall(WRITTEN_IN.sub(r"\1에서", text))
    units: list[Unit] = []
    i = 0
    while i < len(tokens):
        token, i = tokens[i], i + 1
        if not HANGUL.match(token):
            units.append(_latin(token, tokens[i] if i < len(tokens) else ""))
            if units[-1].role and i < len(tokens) and f"{token}{tokens[i]}" in text:
                i += 1  # its particle
            continue
        while token:
            word, rest, more = _known(token, tokens[i : i + WORDS_OVER_A_SPACE]) or ("", "", 0)
            i += more
            if not word:
                units.append(Unit(token, meanings_of(token), role=role_of(token)))
                break
            done = word.endswith("-") or _ends(word, rest)
            units.append(_unit(word, rest if done and not word.endswith("-") else ""))
            token = "" if done else rest
    for at, unit in enumerate(units[1:]):
        if unit.text == "대신" and units[at].content:
            units[at] = replace(units[at], role="instead")
    return tuple(units)


def _known(token: str, following: list[str]) -> tuple[str, str, int] | None:
    """The longest word of the lists that begins here: (word, what is left of its last eojeol, how many eojeols it took beside the first)."""
    letters = jamo(token)
    for start, word in _by_beginning().get(letters[0], []):
        if letters.startswith(start):
            left = letters[len(start) :]
            if word.endswith("-"):
                if (AFTER_STEM if len(word) > 2 else AFTER_SHORT_STEM).match(left):
                    return word, "", 0
            elif not "\u11a8" <= left[:1] <= "\u11ff":  # else the word ends inside a syllable
                rest = unicodedata.normalize("NFC", left)
                if _ends(word, rest) or (len(word) > 1 and len(rest) > 1 and _known(rest, []) is not None):
                    return word, rest, 0
        elif len(start) > len(letters) and start.startswith(letters) and (len(word) > 3 or not word.endswith("-") or token in ("안", "못")):
            joined = letters
            for more, other in enumerate(following, 1):
                joined += jamo(other)
                if len(joined) >= len(start):
                    left = joined[len(start) :]
                    if joined.startswith(start) and (AFTER_STEM.match(left) if word.endswith("-") else _ends_in_letters(word, left)):
                        return word, unicodedata.normalize("NFC", left), more
                    break
    return None


def _ends_in_letters(word: str, left: str) -> bool:
    return not "\u11a8" <= left[:1] <= "\u11ff" and _ends(word, unicodedata.normalize("NFC", left))


def _ends(word: str, rest: str) -> bool:
    """Whether what follows a noun in its eojeol is grammar: particles, or the verb or copula made of it."""
    return bool(not rest or TAIL.match(rest) or COPULA_TAIL.match(rest) or (len(word) > 1 and VERB_TAIL.match(rest)))


def _unit(word: str, tail: str) -> Unit:
    lists, phrase = words_of_korean(), (word,)
    plain = phrase in lists.generic or phrase in lists.function
    negation = phrase in lists.negation
    meanings = lists.meanings.get(phrase, frozenset()) | {word}
    return Unit(
        word,
        meanings,
        lists.poles.get(phrase, frozenset()),
        content=not plain and not negation,
        light=phrase in lists.light,
        negation=negation,
        role=role_of(tail),
    )


@lru_cache(maxsize=16384)
def meanings_of(token: str) -> frozenset[str]:
    """What an unknown eojeol may be: itself, without its particles, without the ending of a verb."""
    forms, least = {token}, 2 if len(token) > 2 else 1
    for _ in range(3):
        forms |= {form[: -len(p)] for form in forms for p in PARTICLES if form.endswith(p) and len(form) - len(p) >= least}
    if match := re.match(r"^([가-힣]{2,}?)(?:하|해|했|할|한|함|합|되|돼|됐|될|된|됩)", token):
        forms.add(match[1])
    letters = jamo(token)
    forms |= {letters[: -len(ending)] for ending in _endings() if letters.endswith(ending) and len(letters) - len(ending) >= 4}
    return frozenset(forms)


@cache
def _endings() -> tuple[str, ...]:
    """Endings of verbs, as letters; the last line's begin with a final consonant."""
    whole = """려면 으려면 려고 으려고 습니다 습니까 세요 으세요 는데 은데 는지 은지 을지 나요 을까 을까요 은가요 는가요 어요 아요 었어요 았어요 었나요 았나요
    었습니다 았습니다 거나 으면 면 으면서 면서 으니 니 며 으며 러 으러 도록 게 지 고 기 는 은 을 음 던 네요 어 아 어서 아서 어도 아도 어야 아야 어주세요 아주세요
    기가 기는 는게 는법 는것""".split()
    finals = [
        "\u11ab",
        "\u11af",
        "\u11b7",
        "\u11ab" + jamo("가요"),
        "\u11af" + jamo("까요"),
        "\u11b8" + jamo("니다"),
        "\u11b8" + jamo("니까"),
        "\u11af" + jamo("지"),
    ]
    return (*(jamo(ending) for ending in whole), *finals)


def role_of(tail: str) -> str:
    """What the last particle makes of a noun: where from, where to, compared with, subject, object; "" otherwise."""
    return next((role for role, pattern in ROLES if pattern.search(tail)), "")


def _latin(token: str, following: str) -> Unit:
    """A Latin word inside Korean, by the Korean list or the English one; its particle is the next token."""
    word, lists = stem(token), words_of_korean()
    role = role_of(following) if TAIL.match(following) else ""
    if (word,) in lists.every:
        unit = _unit(word, "")
        return replace(unit, role=role)
    lines = words_of_english().meanings.get((word,), frozenset())
    return Unit(token, frozenset({word, *(f"en{line}" for line in lines)}), role=role)
