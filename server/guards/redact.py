"""What stands in for what was cut out: a label, a mask, or a token that the answer's reader never sees.

label        내 번호는 [전화번호]야
mask         내 번호는 010-****-5678이야
reversible   내 번호는 <PHONE_1>이야         the model reads this; the Restorer puts the number back into its answer
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from server.guards.base import Finding, Language
from server.guards.masks import mask
from server.guards.normal import normalise
from server.guardsettings import Form

LABELS: Mapping[str, str] = {  # categories -> what a Korean reader calls them; an English one reads the category itself
    "resident_number": "주민등록번호",
    "foreigner_number": "외국인등록번호",
    "phone": "전화번호",
    "business_number": "사업자등록번호",
    "corporate_number": "법인등록번호",
    "drivers_license": "운전면허번호",
    "passport": "여권번호",
    "bank_account": "계좌번호",
    "card": "카드번호",
    "address": "주소",
    "name": "이름",
    "birth_date": "생년월일",
    "vehicle_plate": "차량번호",
    "customs_code": "통관고유부호",
    "email": "이메일",
    "ip": "IP주소",
    "mac": "MAC주소",
    "iban": "국제계좌번호",
    "crypto": "가상자산주소",
    "api_key": "API키",
    "token": "토큰",
    "private_key": "개인키",
    "password": "비밀번호",
    "connection_string": "접속문자열",
}

_TOKEN = re.compile(r"<(\w{1,80}_\d{1,9})>")
_LONE = re.compile("[\ud800-\udfff]")


def label(category: str, language: Language) -> str:
    """`[주민등록번호]`, `[RESIDENT_NUMBER]`."""
    return f"[{LABELS.get(category, category) if language == 'ko' else category.upper()}]"


class Vault:
    """The values that were cut out of one request, by their tokens. The same value has the same token."""

    def __init__(self) -> None:
        self._token: dict[tuple[str, str], str] = {}
        self._value: dict[str, str] = {}
        self._taken: set[str] = set()
        self._last: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._value)

    @property
    def values(self) -> Mapping[str, str]:
        """Token -> value, as it first stood in the request."""
        return self._value

    def avoid(self, text: str) -> None:
        """Tokens that stand in the request already are the client's own words: none of them is given to a value."""
        if "<" in text:
            self._taken.update(found[0] for found in _TOKEN.finditer(text))

    def token(self, value: str, category: str) -> str:
        """`<PHONE_1>`: the token of a value."""
        key = (category, _same(value))
        if key not in self._token:
            name = re.sub(r"\W", "_", category).upper()[:80] or "VALUE"
            number = self._last.get(name, 0) + 1
            while f"<{name}_{number}>" in self._taken:
                number += 1
            self._last[name] = number
            self._token[key] = token = f"<{name}_{number}>"
            self._value[token] = value
        return self._token[key]

    def restore(self, text: str, escaped: bool = False) -> str:
        """`text` with its tokens replaced by their values; `escaped`: it is JSON, and they are put into its strings."""
        restorer = Restorer(self, escaped)
        return restorer.feed(text) + restorer.finish()


class Restorer:
    """Puts values back into an answer, piece by piece. Only what may yet be a token is held back.

    `escaped`: the answer is JSON (a tool call's arguments); the value is written as inside a JSON string.
    """

    def __init__(self, vault: Vault, escaped: bool = False) -> None:
        self._value: dict[str, str] = {}
        for token, value in vault.values.items():
            shown = _in_json(value) if escaped else value
            for written in _ways(token, escaped):
                self._value[written] = shown
        self._longest = max(map(len, self._value), default=0)
        self._prefixes = {token[:size] for token in self._value for size in range(1, len(token))}
        self._any = re.compile("|".join(map(re.escape, sorted(self._value, key=len, reverse=True)))) if self._value else None
        self._held = ""

    def feed(self, text: str) -> str:
        if self._any is None:
            return text
        text = self._held + text
        text, held = self._split(text)
        self._held = held
        return self._any.sub(lambda found: self._value[found[0]], text)

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held  # no whole token: those have gone out

    def _split(self, text: str) -> tuple[str, str]:
        """What can be shown, and the longest end of it that may still become a token.

        No token holds the first character of another inside it, so an end that begins a token is no part of a whole one.
        """
        for size in range(min(self._longest - 1, len(text)), 0, -1):
            if text[-size:] in self._prefixes:
                return text[:-size], text[-size:]
        return text, ""


def replacer(form: Form, language: Language, vault: Vault) -> Callable[[str, Finding], str]:
    """What stands in for a text that was found: text as it came, its finding -> the replacement."""
    if form == "label":
        return lambda text, finding: label(finding.category, language)
    if form == "mask":
        return lambda text, finding: mask(text, finding.category)
    return lambda text, finding: vault.token(text, finding.category)


def _same(value: str) -> str:
    """What two ways of writing one value share."""
    return "".join(character for character in normalise(value, digits=True).text.casefold() if character.isalnum())


def _ways(token: str, escaped: bool) -> list[str]:
    """How a model may write a token."""
    inner = token[1:-1]
    ways = [token, f"&lt;{inner}&gt;"]
    return [*ways, f"\\u003c{inner}\\u003e", f"\\u003C{inner}\\u003E"] if escaped else ways


def _in_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=_LONE.search(value) is not None)[1:-1]
