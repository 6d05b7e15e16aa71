"""Personal data that is one token of letters and digits: e-mail, IP, IBAN, passports, what other states give out.

Each is an expression of linear time, and a check of what it matched: check digits, the words before, what follows.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence

from server.guards.finders import Before, Check, Hit, Token
from server.guards.kinds.pii import checks, context


def _letter(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isascii() and (text[at].isalnum() or text[at] == "_")


def _hit(category: str, score: float = 0.95) -> Check:
    return lambda text, start, end, before: Hit(start, end, category, score)


def _checked(category: str, good: Callable[[str], bool], label: context.Label | None = None, score: float = 0.9) -> Check:
    """`good` of its letters and digits; with a label only behind it."""

    def check(text: str, start: int, end: int, before: Before) -> Hit | None:
        if not good("".join(character for character in text[start:end] if character.isalnum())):
            return None
        words = before(start).lower()
        if context.other(words) or (label is not None and not context.named(words, label)):
            return None
        return Hit(start, end, category, score)

    return check


# --- e-mail

_FILES = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "svg",
        "webp",
        "ico",
        "bmp",
        "pdf",
        "js",
        "ts",
        "jsx",
        "tsx",
        "css",
        "scss",
        "json",
        "py",
        "rb",
        "java",
        "kt",
        "cpp",
        "hpp",
        "txt",
        "md",
        "yml",
        "yaml",
        "xml",
        "html",
        "zip",
        "tar",
        "gz",
        "mp3",
        "mp4",
        "so",
        "dll",
        "exe",
    ]
)
_MAIL_ENDINGS = frozenset(
    ["com", "net", "org", "kr", "io", "co", "edu", "gov", "jp", "cn", "uk", "de", "fr", "eu", "us", "info", "biz", "me"]
)
_AT = r"(?: ?@ ?| ?[\[({<] ?(?:@|at|골뱅이|앳) ?[\])}>] ?| ?(?:골뱅이|앳) ?)"
_DOT = r"(?: ?\.| ?[\[({] ?(?:\.|dot|점|닷) ?[\])}] ?| (?:dot|점|닷) |점|닷)"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?"
_LOCAL = r"[a-z0-9_](?:(?:[a-z0-9._%+'-]|[\[(]dot[\])]){0,62}[a-z0-9_+-])?"
EMAIL = rf"(?<![a-z0-9._%+-]){_LOCAL}{_AT}(?:{_LABEL}{_DOT}){{1,4}}(?:[a-z]{{2,24}}|[가-힣]{{2,8}})(?![a-z])"
EMAIL_SPOKEN = (
    rf"(?<![a-z0-9._%+-])[a-z0-9_][a-z0-9._+-]{{0,40}}(?: dot [a-z0-9_-]{{1,40}}){{0,2}}"
    rf" at {_LABEL}(?: dot [a-z0-9-]{{2,24}}){{1,3}}(?![a-z0-9])"
)
_VERBS = frozenset(
    [
        "look",
        "see",
        "visit",
        "check",
        "go",
        "find",
        "available",
        "sold",
        "found",
        "hosted",
        "us",
        "me",
        "is",
        "site",
        "read",
        "more",
        "live",
        "buy",
        "book",
        "shop",
        "now",
        "order",
        "here",
        "click",
        "it",
    ]
)


def _email_spoken(text: str, start: int, end: int, before: Before) -> Hit | None:
    return None if text[start:end].split(" ", 1)[0].lower() in _VERBS else Hit(start, end, "email", 0.85)


_USERINFO = re.compile(r"://[^\s/?#@\"'<>]*$")  # scheme://user:password@host


def _email(text: str, start: int, end: int, before: Before) -> Hit | None:
    found = re.fullmatch(r"(?s)(.*?)([가-힣]*)", text[start:end])
    if found is not None and found[2] and not found[1].endswith((".", "]", ")")):
        end -= len(found[2])
    last = re.search(r"[A-Za-z]+$", text[start:end])
    ending = last[0].lower() if last is not None else ""
    local, _, domain = text[start:end].partition("@")
    if local[-1:] == " " and domain[:1] != " " and ending not in _MAIL_ENDINGS:
        return None  # a name of a program or a person: `@click @app.get`
    if ending in _FILES or (local.lower() == "git" and text[end : end + 1] == ":") or _USERINFO.search(before(start)) is not None:
        return None
    return Hit(start, end, "email", 0.97)


# --- IP

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IP_DOT = r"(?:\.|\[\.\]|\(\.\)|\[dot\]|。)"
IPV4 = rf"(?<![A-Za-z0-9_.])(?:{_OCTET}{_IP_DOT}){{3}}{_OCTET}(?![A-Za-z0-9_])"
IPV6 = (
    r"(?<![A-Za-z0-9_:.])(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}"
    r"|(?:[0-9a-f]{1,4}:){2,7}:)(?![A-Za-z0-9_:])"
)
_IP = context.words(
    "아이피|서버|접속|호스트|주소|차단|방화벽|로그인|클라이언트|게이트웨이|출발지|목적지",
    "ip|ipv4|host|server|address|login|client|from|block|ping|ssh|gateway|dns|firewall|remote|source",
)
_NETWORK = re.compile(r"/[0-9]")
_SAYS_IP = re.compile(r"아이피|서버|접속|호스트|(?<![a-z])(?:ip|ipv4|host|server|address|ssh|ping|gateway|dns)(?![a-z])")
_ANY_VERSION = re.compile(
    r"버전|펌웨어|빌드|업그레이드|다운그레이드|업데이트|(?<![a-z])(?:versions?|firmware|build|release)(?![a-z])"
    r"|(?<![a-z])(?:(?:up|down)grad|updat|bump|migrat|install)"
)
_VERSION_AFTER = re.compile(r" ?(?:이상|이하|미만|버전|릴리스|빌드|version|or (?:later|newer|above|higher)|and (?:later|newer|above))")
_VERSION = re.compile(
    r"(?:버전|펌웨어|패치|앱(?= ?[은는이가]? ?$)|패키지|라이브러리|플러그인|릴리스|릴리즈|빌드|업데이트|절|항|조|장|목차|섹션|드라이버"
    r"|(?<![a-z])(?:version|ver|v|firmware|patch|package|plugin|library|sdk|release|build|section|sec|chapter"
    r"|driver|update|rev|rfc|oid|table|figure|fig|clause|annex|article|paragraph|schedule|appendix|kernel|chrome|firefox|python|node|java|numpy"
    r"|pip))[^.]{0,12}$"
)


def _ipv4(text: str, start: int, end: int, before: Before) -> Hit | None:
    if re.match(r"\.[0-9]|-[0-9]|\.x", text[end : end + 2]) is not None:
        return None
    octets = [int(part) for part in re.findall("[0-9]+", text[start:end])]
    words = before(start).lower()
    if octets[0] in (0, 127) or octets[0] >= 224 or (octets[3] == 0 and _NETWORK.match(text[end : end + 3]) is not None):
        return None  # no host's: any, this one, many, all, a network
    if context.other(words) or _VERSION_AFTER.match(text[end : end + 12].lower()) is not None:
        return None
    version = _VERSION.search(words)
    if version is not None and _SAYS_IP.search(words, version.start()) is None:  # what is said last counts: driver update server
        return None
    if max(octets) < 40:
        version = _ANY_VERSION.search(words)
        if not context.named(words, _IP) or (version is not None and _SAYS_IP.search(words, version.start()) is None):
            return None
    return Hit(start, end, "ip", 0.9)


def _ipv6(text: str, start: int, end: int, before: Before) -> Hit | None:
    try:
        address = ipaddress.IPv6Address(text[start:end])
    except ValueError:
        return None
    filled = [part for part in text[start:end].split(":") if part]
    if address.is_loopback or (len(filled) < 4 and not context.named(before(start).lower(), _IP)):
        return None
    return Hit(start, end, "ip", 0.9)


# --- accounts

IBAN = r"(?<![A-Za-z0-9])[A-Z]{2}[ -]?[0-9]{2}(?:[ -]?[A-Z0-9]){11,30}"


def _iban(text: str, start: int, end: int, before: Before) -> Hit | None:
    country = text[start : start + 2].upper()
    size, at = checks.IBAN_LENGTHS.get(country, 0), start
    taken: list[str] = []
    while at < end and len(taken) < size:
        if text[at].isalnum():
            taken.append(text[at].upper())
        at += 1
    if len(taken) != size or _letter(text, at) or not size or not checks.iban("".join(taken)):
        return None
    return Hit(start, at, "iban", 0.97)


CRYPTO = (
    r"(?<![A-Za-z0-9])(?:[13][1-9A-HJ-NP-Za-km-z]{25,34}|(?:bc1|BC1)[02-9ac-hj-np-zAC-HJ-NP-Z]{11,71}|0x[0-9A-Fa-f]{40})(?![A-Za-z0-9])"
)


def _crypto(text: str, start: int, end: int, before: Before) -> Hit | None:
    found = text[start:end]
    good = found.startswith("0x") or checks.bitcoin(found)
    return Hit(start, end, "crypto", 0.95) if good else None


# --- passports and other papers

PASSPORT = (
    r"(?<![A-Za-z0-9])(?:[A-Z]{1,2}[ -]?[0-9]{6,8}|[A-Z](?: [0-9]){3} [A-Z0-9](?: [0-9]){4}"
    r"|[A-Z][ -]?[0-9]{3}[ -]?[A-Z][ -]?[0-9]{4})(?![A-Za-z0-9])"
)
_PASSPORT_AFTER = re.compile(r"^[^\n]{0,8}(?:여권|passport)")


def _passport(text: str, start: int, end: int, before: Before) -> Hit | None:
    words = before(start).lower()
    if context.other(words) or not (context.named(words, context.PASSPORT) or _PASSPORT_AFTER.search(text[end : end + 16].lower())):
        return None
    return Hit(start, end, "passport", 0.9)


PLATE = (
    r"(?<![0-9A-Za-z])(?:(?:서울|부산|대구|인천|광주|대전|울산|세종|경기|강원|충북|충남|전북|전남|경북|경남"
    r"|제주) ?)?[0-9]{2,3} ?[가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주바사아자배하허호국합육해공] ?[0-9]{4}(?![0-9])"
)


def _labelled(category: str, label: context.Label) -> Check:
    def check(text: str, start: int, end: int, before: Before) -> Hit | None:
        said = context.named(before(start).lower(), label) or context.follows(text[end : end + 16].lower(), label)
        return Hit(start, end, category, 0.85) if said else None

    return check


_PAN = context.words("인도", "pan|india|indian|income tax|tax")
_NIF = context.words("스페인", "dni|nif|nie|spain|spanish")

ON_PLAIN: Sequence[Token] = (
    Token("email", EMAIL, _email, after=1),
    Token("email", EMAIL_SPOKEN, _email_spoken),
    Token("vehicle_plate", PLATE, _labelled("vehicle_plate", context.PLATE), after=16),
)
ON_DIGITS: Sequence[Token] = (
    Token("ip", IPV4, _ipv4, after=12),
    Token("ip", IPV6, _ipv6),
    Token("iban", IBAN, _iban, after=1),
    Token("crypto", CRYPTO, _crypto, ignore_case=False),
    Token("passport", PASSPORT, _passport, after=16),
    Token("customs_code", r"(?<![A-Za-z0-9])P[ -]?[0-9]{12}(?![A-Za-z0-9])", _labelled("customs_code", context.CUSTOMS), after=16),
    Token("mac", r"(?<![A-Za-z0-9:-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![A-Za-z0-9:-])", _hit("mac")),
    Token(
        "uk_nino",
        r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?(?:[0-9]{2} ?){3}[A-D](?![A-Za-z0-9])",
        _checked("uk_nino", lambda text: True),
    ),
    Token("sg_nric", r"(?<![A-Za-z0-9])[STFGM][0-9]{7}[A-Z](?![A-Za-z0-9])", _checked("sg_nric", checks.nric)),
    Token("es_nif", r"(?<![A-Za-z0-9])(?:[0-9]{8}|[XYZ][- ]?[0-9]{7})[- ]?[A-Z](?![A-Za-z0-9])", _checked("es_nif", checks.nif, _NIF)),
    Token(
        "it_fiscal_code",
        r"(?<![A-Za-z0-9])[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z](?![A-Za-z0-9])",
        _checked("it_fiscal_code", checks.codice_fiscale),
    ),
    Token("in_pan", r"(?<![A-Za-z0-9])[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z](?![A-Za-z0-9])", _checked("in_pan", lambda text: True, _PAN)),
)
LONGEST = 160
