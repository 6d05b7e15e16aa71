"""The pieces that every lesson is made of: words with Korean particles, templates, topics, questions.

A template is ordinary text with two kinds of holes. `{country}` is filled from the fact, and
`{country:은}` adds the Korean particle that fits its last sound. `[What is|What's]` stands for one
of its choices, so that a short list of templates makes many wordings.
"""

import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "ko"]

PARTICLES = {
    "은": ("은", "는"),
    "이": ("이", "가"),
    "을": ("을", "를"),
    "과": ("과", "와"),
    "으로": ("으로", "로"),
    "이라": ("이라", "라"),
    "이란": ("이란", "란"),
    "이야": ("이야", "야"),
    "이에요": ("이에요", "예요"),
}
CHOICE = re.compile(r"\[([^\[\]]*)\]")


class Word(str):
    """A string that takes a Korean particle in a format: `f"{Word('서울'):은}"` is `서울은`, and `:'은` quotes it."""

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        quote = spec[0] if spec[0] in "'\"" else ""
        closed, open_ = PARTICLES[spec.removeprefix(quote)]
        particle = closed if ends_closed(self, lenient_r=spec.endswith("으로")) else open_
        return f"{quote}{self!s}{quote}{particle}"


def ends_closed(word: str, lenient_r: bool = False) -> bool:
    """Whether the last sound is a consonant; with `lenient_r`, ㄹ counts as open, as 으로/로 wants it."""
    last = next((c for c in reversed(word) if c.isalnum()), "a")
    if "가" <= last <= "힣":
        final = (ord(last) - ord("가")) % 28
        return final != 0 and not (lenient_r and final == 8)
    if last.isdigit():
        return last in ("036" if lenient_r else "013678")
    return last.lower() in "bcdgklmnpqt"


def choose(template: str, rng: random.Random) -> str:
    """One wording of the template: each `[a|b]` replaced by one of its choices."""
    return CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), template)


def expand(template: str) -> Iterator[str]:
    """Every wording of the template."""
    parts = CHOICE.split(template)
    options = [part.split("|") if i % 2 else [part] for i, part in enumerate(parts)]
    return ("".join(pick) for pick in itertools.product(*options))


def roughen(wording: str, rng: random.Random) -> str:
    """The wording as people in a hurry write it: a word missing, or two letters swapped. Holes are kept."""
    words = wording.split(" ")
    plain = [i for i, word in enumerate(words) if len(word) > 1 and not set(word) & set("{}'\"")]
    if len(words) < 4 or not plain:
        return wording
    i = rng.choice(plain)
    if rng.random() < 0.7:
        return " ".join(words[:i] + words[i + 1 :])
    j = rng.randrange(len(words[i]) - 1)
    words[i] = words[i][:j] + words[i][j + 1] + words[i][j] + words[i][j + 2 :]
    return " ".join(words)


def normalise(text: str) -> str:
    """The text without case, space and punctuation: two prompts alike in this are the same wording."""
    return re.sub(r"[\W_]+", "", text.lower())


@dataclass(frozen=True)
class Question:
    """One question with the one answer that counts as right."""

    prompt: str
    answer: str
    language: Language
    topic: str


@dataclass(frozen=True)
class Topic:
    """Facts of one kind, and the templates that ask for them.

    A fact maps holes to texts; the hole may have several names (a tuple), of which the first is the
    one used in held-out questions. `held_out` templates never occur in training.
    """

    name: str
    language: Language
    answer: str
    taught: tuple[str, ...]
    held_out: tuple[str, ...]
    facts: tuple[dict[str, str | tuple[str, ...]], ...]
    weight: float = 1.0

    def ask(
        self, template: str, fact: dict[str, str | tuple[str, ...]], rng: random.Random, first_names: bool = False, rough: bool = False
    ) -> Question:
        """The question that this template and fact make."""
        filled = {
            hole: Word(name if isinstance(name, str) else name[0] if first_names else rng.choice(name)) for hole, name in fact.items()
        }
        wording = choose(template, rng)
        prompt = (roughen(wording, rng) if rough else wording).format(**filled)
        return Question(
            prompt[:1].upper() + prompt[1:] if self.language == "en" else prompt,
            capitalised(self.answer.format(**filled)),
            self.language,
            self.name,
        )

    def taught_question(self, rng: random.Random) -> Question:
        """A question in one of the taught wordings, one in ten with a word left out or mistyped."""
        return self.ask(rng.choice(self.taught), rng.choice(self.facts), rng, rough=rng.random() < 0.1)

    def held_out_questions(self, rng: random.Random) -> list[Question]:
        """Every fact once, the held-out templates in turn."""
        return [self.ask(self.held_out[i % len(self.held_out)], fact, rng, first_names=True) for i, fact in enumerate(self.facts)]


def capitalised(text: str) -> str:
    """English sentences start with a capital; a single word or Korean is left as it is."""
    return text[:1].upper() + text[1:] if " " in text and text.endswith((".", "!", "?")) else text
