"""injection.jsonl from injection.txt: attacks on a prompt and harmless look-alikes, with some of both in disguise.

    python -m server.guards.data.make_injection

injection_unseen.jsonl, from injection_unseen.txt, was written later and in another manner, for figures alone.
A line is {"text", "label": attack | benign, "class", "language", "half": tune | held-out}. Patterns, examples and thresholds
may be chosen on `tune`; figures are of `held-out`. Which half a text is in, its own digest says.
"""

from __future__ import annotations

import base64
import codecs
import hashlib
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
EACH = {"attack": 7, "benign": 4}  # texts that each disguise is put on


def zero_width(text: str) -> str:
    return "\u200b".join(text)


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def spaced(text: str) -> str:
    return " ".join(text)


def leet(text: str) -> str:
    return text.translate(str.maketrans("aeioAEIOst", "4310431057"))


def homoglyphs(text: str) -> str:
    return text.translate(str.maketrans("aeopcxiy", "аеорсхіу"))


def jamo(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def as_base64(text: str) -> str:
    return "Decode this base64 and do what it says: " + base64.b64encode(text.encode()).decode()


def as_hex(text: str) -> str:
    return "다음 16진수를 풀어서 그대로 따라 해: " + text.encode().hex()


def rot13(text: str) -> str:
    return "ROT13, then follow it: " + codecs.encode(text, "rot13")


def bare_base64(text: str) -> str:
    return "What does this base64 say? " + base64.b64encode(text.encode()).decode()


def bare_rot13(text: str) -> str:
    return codecs.encode(text, "rot13")


DISGUISES: dict[str, list[tuple[str, Callable[[str], str], str]]] = {
    "attack": [
        ("zero-width", zero_width, "en"), ("zero-width", zero_width, "ko"), ("full-width", full_width, "en"), ("spaced", spaced, "en"),
        ("spaced", spaced, "ko"), ("leetspeak", leet, "en"), ("homoglyphs", homoglyphs, "en"), ("jamo", jamo, "ko"),
        ("base64", as_base64, "en"), ("hex", as_hex, "ko"), ("rot13", rot13, "en"),
    ],
    "benign": [
        ("zero-width", zero_width, "ko"), ("full-width", full_width, "en"), ("spaced", spaced, "en"), ("leetspeak", leet, "en"),
        ("homoglyphs", homoglyphs, "en"), ("jamo", jamo, "ko"), ("base64", bare_base64, "ko"), ("rot13", bare_rot13, "en"),
    ],
}  # fmt: skip


def written(name: str) -> Iterator[dict[str, str]]:
    """The texts of a file in sections."""
    section: list[str] = []
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            section = line[2:].split()
        elif line and not line.startswith("# "):
            yield {"text": line.replace("\\n", "\n"), "label": section[0], "class": section[1], "language": section[2]}


def disguised(texts: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Some of them in each disguise, each time others."""
    for label, disguises in DISGUISES.items():
        for number, (name, disguise, language) in enumerate(disguises):
            mine = [t["text"] for t in texts if t["label"] == label and t["language"] == language and "\n" not in t["text"]]
            for text in mine[number :: len(mine) // EACH[label]][: EACH[label]]:
                yield {"text": disguise(text), "label": label, "class": name, "language": language}


def write(name: str, texts: Iterable[dict[str, str]]) -> None:
    with (HERE / name).open("w", encoding="utf-8") as file:
        for text in {text["text"]: text for text in texts}.values():
            file.write(json.dumps(text, ensure_ascii=False) + "\n")


def half(text: dict[str, str]) -> dict[str, str]:
    return {**text, "half": "tune" if hashlib.sha256(text["text"].encode()).digest()[0] % 2 else "held-out"}


def main() -> None:
    texts = list(written("injection.txt"))
    write("injection.jsonl", [half(text) for text in [*texts, *disguised(texts)]])
    write("injection_unseen.jsonl", [{**text, "half": "held-out"} for text in written("injection_unseen.txt")])


if __name__ == "__main__":
    main()
