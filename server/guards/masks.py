"""Masks as Korean offices write them: enough is left for its owner to know it by, not enough to use it.

What is kept: Guidelines on the processing of personal data on the internet (PIPC, 2020), and what card slips show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from server.guards.normal import normalise

HIDDEN = "********"  # says nothing about the length


def mask(text: str, category: str) -> str:
    """A text that was found, masked. It is seen through its disguise first: full-width digits come out as digits."""
    shown = normalise(text, digits=True).text if category not in ("name", "address", "email") else normalise(text).text
    return _MASKS.get(category, _all)(shown)


def _digits(text: str, keep: Callable[[int, int], bool]) -> str:
    """`keep`: index of a digit, how many there are -> whether it stays."""
    count = sum(character.isdigit() for character in text)
    out, index = [], 0
    for character in text:
        if character.isdigit():
            out.append(character if keep(index, count) else "*")
            index += 1
        else:
            out.append(character)
    return "".join(out)


def _first(kept: int) -> Callable[[str], str]:
    return lambda text: _digits(text, lambda index, count: index < min(kept, count // 2))


def _last(kept: int) -> Callable[[str], str]:
    return lambda text: _digits(text, lambda index, count: index >= count - kept and count > kept * 2)


def _phone(text: str) -> str:
    def keep(index: int, count: int) -> bool:
        if count <= 8:  # 1588-1234
            return index < 4 and count == 8
        hidden = 3 if count in (9, 10) and not text.startswith("+") else 4
        return not count - 4 - hidden <= index < count - 4

    return _digits(text, keep)


def _email(text: str) -> str:
    name, at, domain = text.partition("@")
    return f"{name[:1]}***@{domain}" if at else HIDDEN


def _name(text: str) -> str:
    return " ".join(_word(word) for word in text.split(" "))


def _word(word: str) -> str:
    if len(word) < 3 or word.isascii():
        return word[:1] + "*" * (len(word) - 1)
    return word[0] + "*" * (len(word) - 2) + word[-1]


def _address(text: str) -> str:
    """The province and the city, or nothing: `서울특별시 강남구 ***`."""
    words = text.split(" ")
    kept = []
    for word in words[:2]:
        if not word.endswith(("시", "도", "군", "구", "서울", "부산", "대구", "인천", "광주", "대전", "울산", "세종", "경기", "제주")):
            break
        kept.append(word)
    return " ".join([*kept, "***"])


def _ip(text: str) -> str:
    parts = text.split(".")
    return ".".join([*parts[:2], "*", "*"]) if len(parts) == 4 else HIDDEN


def _passport(text: str) -> str:
    return text[:-4] + "****" if len(text) > 7 else HIDDEN


def _all(text: str) -> str:
    return HIDDEN


_MASKS: Mapping[str, Callable[[str], str]] = {
    "resident_number": _first(6),
    "foreigner_number": _first(6),
    "business_number": _first(5),
    "corporate_number": _first(6),
    "drivers_license": _first(4),
    "phone": _phone,
    "bank_account": _last(4),
    "card": _last(4),
    "passport": _passport,
    "email": _email,
    "name": _name,
    "address": _address,
    "ip": _ip,
}
