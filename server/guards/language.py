"""In which of the shipped languages a person is answered: Korean where they write Korean, English for all others.

Korean texts are full of English (names, code, what is to be translated), and English ones quote Korean. So code, addresses
and quotations are left out, and words are counted, not letters: `Deployment를` is a Korean word. How many must be Korean
depends on the first one, with which people say what they want.
"""

from __future__ import annotations

import re

from server.guards.base import Language

MOST = 1000  # characters looked at, at the start and at the end
KOREAN_FIRST = 0.2  # share of Korean words from which a text is Korean: its first word is
ENGLISH_FIRST = 0.5  # its first word is another one
ENGLISH_ORDER = 0.8  # its first word is one that English questions and orders begin with

# Syllables, and the jamo that disguises are made of: conjoining, compatibility, extended, half-width.
_HANGUL = re.compile("[\uac00-\ud7a3\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\ud7b0-\ud7ff\uffa0-\uffdc]")
# letters of other scripts
_OTHER = re.compile("[^\\W\\d_\uac00-\ud7a3\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\ud7b0-\ud7ff\uffa0-\uffdc]")
_LETTER = re.compile(r"[^\W\d_]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]")
# counts are bounded, so that no text costs more than its length
_NOT_SPEECH = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{0,300}`|https?://\S+|[\w.+-]{1,64}@\S+", re.DOTALL)
_QUOTED = re.compile(r"\"[^\"\n]{0,300}\"|“[^”\n]{0,300}”|‘[^’\n]{0,300}’|「[^」\n]{0,300}」|(?<![^\s(])'[^'\n]{0,300}'(?!\w)")
_ORDERS = {
    "a", "an", "and", "are", "can", "could", "define", "describe", "do", "does", "explain", "find", "give", "how", "i", "is", "list",
    "make", "my", "please", "say", "should", "show", "spell", "summarise", "summarize", "tell", "the", "translate", "use", "what",
    "when", "where", "which", "who", "why", "will", "would", "write", "you",
}  # fmt: skip


def of(text: str) -> Language:
    """The language of `text`. Texts without words, and those in a third language, count as English."""
    if len(text) > 2 * MOST:
        text = f"{text[:MOST]} {text[-MOST:]}"
    if not _HANGUL.search(text):
        return "en"
    if not _OTHER.search(text):
        return "ko"
    spoken = _NOT_SPEECH.sub(" ", _INVISIBLE.sub("", text))
    words = _words(_QUOTED.sub(" ", spoken)) or _words(spoken) or _words(text)
    korean = sum(1 for word in words if _HANGUL.search(word))
    if _HANGUL.search(words[0]):
        needed = KOREAN_FIRST
    else:
        needed = ENGLISH_ORDER if words[0].strip(",.:!?'’").lower().partition("'")[0] in _ORDERS else ENGLISH_FIRST
    return "ko" if korean >= needed * len(words) else "en"


def _words(text: str) -> list[str]:
    return [word for word in text.split() if _LETTER.search(word)]
