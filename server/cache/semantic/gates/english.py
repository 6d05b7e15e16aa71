"""English words: contractions, separable verbs, and a stem by rules, so that "cancelled" and "cancelling" are one word."""

# ruff: noqa: E501, SIM905 (tables: one row a line, lists of words as words)

from __future__ import annotations

import re
from functools import cache, lru_cache

from server.cache.semantic.gates.lexicon import Lexicon, lexicon
from server.cache.semantic.gates.unit import Unit

IRREGULAR = {
    "bought": "buy", "sold": "sell", "sent": "send", "paid": "pay", "made": "make", "wrote": "write", "written": "write", "went": "go",
    "gone": "go", "took": "take", "taken": "take", "gave": "give", "given": "give", "got": "get", "gotten": "get", "came": "come",
    "began": "begin", "begun": "begin", "ran": "run", "ate": "eat", "eaten": "eat", "drank": "drink", "drunk": "drink", "slept": "sleep",
    "kept": "keep", "left": "left", "lost": "lost", "found": "found", "forgot": "forget", "forgotten": "forget", "broke": "break",
    "chose": "choose", "chosen": "choose", "drove": "drive", "driven": "drive", "flew": "fly", "flown": "fly", "froze": "freeze",
    "frozen": "freeze", "grew": "grow", "grown": "grow", "knew": "know", "known": "know", "spoke": "speak", "spoken": "speak",
    "stole": "steal", "taught": "teach", "thought": "think", "told": "tell", "said": "say", "saw": "see", "seen": "see", "shown": "show",
    "sang": "sing", "sung": "sing", "sat": "sit", "stood": "stand", "swam": "swim", "wore": "wear", "worn": "wear", "won": "win",
    "withdrew": "withdraw", "withdrawn": "withdraw", "built": "build", "felt": "feel", "held": "hold", "hid": "hide", "hidden": "hide",
    "met": "meet", "understood": "understand", "children": "child", "men": "man", "women": "woman", "people": "person", "feet": "foot",
    "teeth": "tooth", "mice": "mouse", "lives": "live", "knives": "knife", "leaves": "leave", "wives": "wife", "indices": "index",
    "better": "better", "dying": "die", "lying": "lie", "tied": "tie", "tying": "tie", "used": "use", "using": "use", "uses": "use", "format": "format", "comment": "comment", "moment": "moment", "was": "was",
    "has": "has", "does": "does", "this": "this", "yes": "yes", "always": "always", "news": "news", "others": "other", "born": "born",
    "taxes": "tax", "fallen": "fall", "fell": "fall", "rose": "rise", "risen": "rise", "spent": "spend", "lent": "lend", "led": "lead",
    "beaten": "beat", "caught": "catch", "fought": "fight", "sought": "seek", "brought": "bring", "stuck": "stick", "being": "being",
    "during": "during", "thing": "thing", "something": "something", "anything": "anything", "nothing": "nothing", "everything": "everything",
    "morning": "morning", "evening": "evening", "wedding": "wedding", "string": "string", "ceiling": "ceiling", "only": "only",
    "early": "early", "daily": "daily", "weekly": "weekly", "monthly": "monthly", "need": "need", "speed": "speed", "feed": "feed",
    "seed": "seed", "exceed": "exceed", "under": "under", "ring": "ring", "family": "family", "supply": "supply", "apply": "apply",
    "reply": "reply", "fly": "fly", "july": "july", "italy": "italy", "assembly": "assembly", "species": "species", "series": "series",
}  # fmt: skip

CONTRACTIONS = [
    (r"\bcan['’]?t\b", "cannot"), (r"\bcan not\b", "cannot"), (r"\bwon['’]t\b", "will not"), (r"\bshan['’]t\b", "shall not"),
    (r"\b(do|does|did|is|are|was|were|has|have|had|could|would|should|must|need)n['’]?t\b", r"\1 not"),
    (r"\b(i)['’]m\b", r"\1 am"), (r"\b(\w+)['’]re\b", r"\1 are"), (r"\b(\w+)['’]ll\b", r"\1 will"), (r"\b(i|you|we|they)['’]ve\b", r"\1 have"),
    (r"\b(what|where|when|who|how|that|there|it|why|here)['’]?s\b", r"\1 is"), (r"\bwhats\b", "what is"), (r"\bdont\b", "do not"),
    (r"\b(i|you|he|she|we|they|it)['’]d\b", r"\1 would"), (r"\blet['’]s\b", "let us"), (r"['’]s\b", ""), (r"s['’](?=\s|$)", "s"),
    (r"\bgimme\b", "give me"), (r"\bwanna\b", "want to"), (r"\bgonna\b", "going to"), (r"\bpls\b|\bplz\b", "please"),
]  # fmt: skip
CONTRACTED = [(re.compile(pattern, re.IGNORECASE), to) for pattern, to in CONTRACTIONS]

SEPARABLE = {
    "turn": {"on", "off", "down", "up"}, "switch": {"on", "off"}, "set": {"up"}, "back": {"up"}, "log": {"in", "out", "on", "off"},
    "sign": {"in", "out", "up"}, "throw": {"away", "out"}, "get": {"back"}, "give": {"back"}, "send": {"back"}, "shut": {"off", "down"},
    "take": {"out", "off", "back"}, "put": {"off", "on"}, "call": {"off"}, "write": {"off"}, "speed": {"up"}, "slow": {"down"},
    "cut": {"down"}, "bring": {"back", "down"}, "lay": {"off"}, "power": {"on", "off"}, "tell": {"apart"}, "roll": {"back"},
    "look": {"up"}, "pick": {"up"}, "drop": {"off"}, "leave": {"out"}, "sort": {"out"}, "break": {"up", "down", "apart"}, "push": {"back"},
}  # fmt: skip

SUFFIXES = [
    ("izations", "ize"), ("isations", "ize"), ("ization", "ize"), ("isation", "ize"), ("ations", ""), ("ation", ""), ("ions", ""),
    ("ion", ""), ("ements", ""), ("ement", ""), ("ments", ""), ("ment", ""), ("ising", "ize"), ("ises", "ize"), ("ised", "ize"),
    ("ise", "ize"), ("ings", ""), ("ing", ""), ("ies", "y"), ("ied", "y"), ("edly", ""), ("ed", ""), ("ally", "al"), ("ly", ""),
    ("ables", "able"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("es", ""), ("s", ""), ("e", ""),
]  # fmt: skip
SHORT = frozenset("ings ing ies ied edly ed sses xes ches shes es s e ment ments ly".split())
KEPT = frozenset(word for word, base in IRREGULAR.items() if word == base)
WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*", re.UNICODE)


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """What is left of a lower-case word without its ending; the same for all forms of a word, not itself always a word."""
    word = IRREGULAR.get(word, word)
    if word in KEPT or len(word) < 4 or not word.isascii() or not word.isalpha() or word.endswith(("ss", "us", "is")):
        return word
    for suffix, instead in SUFFIXES:
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            least = 3 if suffix in SHORT else 4
            if len(rest) < least or not re.search("[aeiouy]", rest):
                continue
            if suffix in ("ing", "ings", "ed") and len(rest) > 3 and rest[-1] == rest[-2] and rest[-1] not in "lsz":
                rest = rest[:-1]
            return _trimmed((rest + instead).removesuffix("e"))
    return _trimmed(word)


def _trimmed(word: str) -> str:
    """Endings that only some forms keep: "cancell", "translat"."""
    word = word[:-1] if word.endswith("ll") and len(word) > 5 else word
    return word[:-2] if word.endswith("at") and len(word) > 5 else word


PARTICLES = {stem(verb): particles for verb, particles in SEPARABLE.items()}


def expand(text: str) -> str:
    """`text` without contractions and possessives: "can't" is "cannot"."""
    for pattern, to in CONTRACTED:
        text = pattern.sub(to, text)
    return text


def join_verbs(words: list[str]) -> list[str]:
    """Separable verbs put together: "turn my notifications off" -> "turn off my notifications"."""
    words = list(words)
    for i, word in enumerate(words):
        particles = PARTICLES.get(stem(word))
        if not particles or (i + 1 < len(words) and words[i + 1] in particles):
            continue
        for j in range(i + 2, min(i + 6, len(words))):
            if words[j] in particles and (j + 1 == len(words) or words[j] not in ("in", "on", "up", "down")):
                words.insert(i + 1, words.pop(j))
                break
    return words


def normal(phrase: str) -> tuple[str, ...]:
    """A word or phrase of the word lists, as text is read."""
    return tuple(stem(word) for word in WORD.findall(expand(phrase.lower())))


PREPOSITIONS = {
    "from": "from", "to": "to", "into": "to", "than": "than", "before": "before", "after": "after", "by": "by", "with": "with",
    "without": "without", "against": "against", "over": "than", "instead of": "instead", "rather than": "instead", "for": "for",
    "on": "on", "onto": "to", "except": "except", "excluding": "except", "in": "in", "of": "of", "off": "from", "out of": "from", "via": "via",
}  # fmt: skip

REPLACED = frozenset(stem(word) for word in ("replace", "substitute", "swap"))
DETERMINERS = frozenset("the a an my your our his her their this that".split())


@cache
def words_of_english() -> Lexicon:
    return lexicon("en", normal)


def english_units(text: str) -> tuple[Unit, ...]:
    """The words and phrases of a folded, expanded text; phrases of the word lists are taken longest first."""
    lists = words_of_english()
    words = join_verbs(WORD.findall(text))
    stems = [stem(word) for word in words]
    units: list[Unit] = []
    i, role = 0, ""
    while i < len(words):
        size, phrase = _longest(lists, stems, i)
        surface = " ".join(words[i : i + size])
        known = lists.meanings.get(phrase, frozenset())
        plain = phrase in lists.generic or phrase in lists.function
        negation = phrase in lists.negation and not (known and size > 1)
        if surface in PREPOSITIONS:
            role = PREPOSITIONS[surface]
            if surface == "of" and words[max(i - 1, 0)] == "instead":
                role = "instead"
            if surface == "to" and words[i + 1 : i + 2] and words[i + 1] not in DETERMINERS:
                role = "toward"  # "to the phone" is a place; "to reset" is not, "miles to kilometers" may be
        elif phrase[0] in REPLACED:
            role = "instead"  # "replace X with Y" is "Y instead of X"
        units.append(
            Unit(
                surface,
                known | {" ".join(phrase)},
                lists.poles.get(phrase, frozenset()),
                content=not plain and not negation,
                light=phrase in lists.light,
                negation=negation,
                role=role,
            )
        )
        if units[-1].content and i + size < len(words) and stems[i + size : i + size + 1] and (stems[i + size],) in lists.function:
            role = ""
        i += size
    return tuple(units)


def _longest(lists: Lexicon, stems: list[str], i: int) -> tuple[int, tuple[str, ...]]:
    for size in range(min(lists.longest, len(stems) - i), 0, -1):
        phrase = tuple(stems[i : i + size])
        if phrase in lists.every:
            return size, phrase
    return 1, (stems[i],)
