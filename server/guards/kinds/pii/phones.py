"""Telephone numbers: Korean mobiles, land lines and service numbers, and those of other countries.

Korean numbering: https://www.kisa.or.kr (numbering plan of 2024): 010 and the older 011-019, 02 to 064, 070, 050x, 080, and 15xx-18xx.
"""

from __future__ import annotations

import re

from server.guards.finders import Hit
from server.guards.kinds.pii import context
from server.guards.kinds.pii.runs import Window, trimmed

_AREA = re.compile(r"02|0(?:3[1-3]|4[1-4]|5[1-5]|6[1-4])|070|050[2-8]|080|060|030[23]")
_SERVICE = {
    "1522", "1533", "1544", "1551", "1555", "1566", "1577", "1588", "1599", "1600", "1644", "1660", "1661", "1666", "1668", "1670", "1688",
    "1800", "1811", "1833", "1844", "1855", "1877", "1899",
}  # fmt: skip
_CODES = re.compile(  # country codes of ITU E.164
    r"1|7|2(?:0|7|[1-69]\d)|3(?:[0-469]|[578]\d)|4(?:[013-9]|2\d)|5(?:[1-8]|[09]\d)|6(?:[0-6]|[789]\d)|8(?:[1246]|[058]\d)|9(?:[0-58]|[679]\d)"
)
_HANGUL = re.compile("[가-힣]")
_LOUD = frozenset(",:")  # separators of other things
_ABROAD = frozenset("-. ()/_~\n")  # what separates in +82 10-1234-5678; (\\+82|0)1[016789] and + 12 = 48 are none
_ODD = re.compile(r"[%원$€£¥₩]")


def phone(window: Window) -> Hit | None:
    found = _score(window)
    return trimmed(Hit(window.start, window.end, "phone", found), window) if found else None


def _score(window: Window) -> float:
    digits = window.digits
    if window.has_leet > 5 or (window.plus and not window.kinds <= _ABROAD):
        return 0.0
    if digits.startswith("01"):
        return _mobile(window)
    if window.has_leet:
        if window.has_leet > 3 or len(window.shape) < 3:
            return 0.0
        return _korean_abroad(window) if window.plus else _land_line(window)
    if window.plus:
        return _international(window)
    if digits.startswith(("82", "0082")):
        found = _korean_abroad(window)
        if found:
            return found
    if digits[0] == "0":
        return _land_line(window)
    if len(digits) == 8:
        return _service(window)
    return _american(window) or _labelled(window)


def _mobile(window: Window) -> float:
    digits, shape = window.digits, window.shape
    if not ((len(digits) == 11 and digits[2] in "016789") or (len(digits) == 10 and digits[2] in "16789")):
        return _land_line(window) if not window.has_leet else 0.0
    if len(set(digits)) < 3 or window.is_coded or (window.is_cut_out and not window.before.lower().endswith(_GLUED)):
        return 0.0
    before = window.lower
    if context.labelled(before, context.PHONE):
        return 0.96
    if context.other_number(before):
        return 0.0
    if shape in ((3, 4, 4), (3, 3, 4), (3, 8), (3, 7), (7, 4)):
        return 0.96 if window.kinds - _LOUD or not context.other_near(before) else 0.0
    if len(shape) == 1:
        return 0.95
    return 0.75 if (window.is_alone and len(window.kinds) == 1) or (window.is_whole_run and len(set(digits)) > 3) else 0.0


_GLUED = ("tel", "hp", "phone", "mobile", "fax", "t", "p", "m", "h", "cell")


def _land_line(window: Window) -> float:
    digits, shape, before = window.digits, window.shape, window.lower
    area = _AREA.match(digits)
    if area is None:
        return _labelled(window)
    rest = len(digits) - area.end()
    if not 7 <= rest <= 8 or window.is_cut_out or window.is_coded or context.other_number(before):
        return 0.0
    if shape in ((area.end(), 3, 4), (area.end(), 4, 4)):
        if window.kinds & _LOUD and not context.named(before, context.PHONE):
            return 0.0
        if window.kinds == {"."} and context.called_else(before, context.PHONE):
            return 0.0
        return 0.94 if digits[area.end()] != "0" or context.named(before, context.PHONE) else 0.0
    if window.is_alone and context.named(before, context.PHONE):
        return 0.9
    return 0.85 if shape == (area.end(), rest) and ")" in window.kinds else 0.0


def _service(window: Window) -> float:
    """1588-1234; 1592-1598 is a war."""
    digits, before = window.digits, window.lower
    if window.shape not in ((4, 4), (8,)) or window.is_cut_out or window.is_coded or context.other(before):
        return 0.0
    if digits[:2] not in ("15", "16", "18"):
        return 0.0
    if context.named(before, context.PHONE):
        return 0.9
    years = "1000" <= digits[4:] <= "2199" and digits[4:] > digits[:4]
    listed = digits[:4] in _SERVICE and window.shape == (4, 4) and window.kinds <= {"-"}
    return 0.85 if listed and not years else 0.0


def _korean_abroad(window: Window) -> float:
    digits = window.digits.removeprefix("00").removeprefix("82").removeprefix("0")
    mobile = re.fullmatch(r"1[016789]\d{7,8}", digits) is not None
    if not mobile and re.fullmatch(r"(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70)\d{7,8}", digits) is None:
        return 0.0
    if window.is_cut_out or window.is_coded:
        return 0.0
    if window.plus:
        return 0.97
    if context.other_near(window.lower):
        return 0.0
    grouped = len(window.shape) >= 3 and window.shape[-1] == 4 and window.shape[-2] in (3, 4)
    named = context.named(window.lower, context.PHONE)
    return 0.93 if (grouped and mobile) or (window.digits.startswith("00") and mobile) or named else 0.0


def _international(window: Window) -> float:
    if window.digits.startswith("82"):
        return _korean_abroad(window)
    size = len(window.digits)
    if _CODES.match(window.digits) is None or not 9 <= size <= 15 or window.kinds & _LOUD or _ODD.search(window.after[:2]):
        return 0.0
    if window.is_cut_out or (len(window.shape) > 1 and window.shape[-1] < 2):
        return 0.0
    return 0.85 + size / 1000  # the longest that fits


def _american(window: Window) -> float:
    """(212) 555-0123, 1-800-555-0199."""
    digits, shape = window.digits, window.shape
    if len(digits) == 11 and digits[0] == "1":
        digits, shape = digits[1:], shape[1:]
    if shape != (3, 3, 4) or digits[0] in "01" or digits[3] in "01" or window.is_cut_out or window.is_coded:
        return 0.0
    before = window.lower
    if context.other(before) or context.called_else(before, context.PHONE) or _ODD.search(window.after[:2]):
        return 0.0
    if window.kinds == {"."} and _HANGUL.search(before[-12:]) is not None and not context.named(before, context.PHONE):
        return 0.0
    if window.kinds <= {"-", ".", ")"} or (window.kinds <= {" ", "-", ")", "/"} and window.kinds != {" "}):
        return 0.88 if not (window.kinds == {"."} and context.other_near(before)) else 0.0
    return 0.85 if context.named(before, context.PHONE) and not window.kinds & _LOUD else 0.0


def _labelled(window: Window) -> float:
    """Any number that is called one: `phone: 07700 900123`."""
    if (
        not 9 <= len(window.digits) <= (13 if window.digits.startswith("00") else 12)
        or window.kinds & _LOUD
        or window.is_cut_out
        or not window.is_alone
    ):
        return 0.0
    if window.shape in ((4, 2, 2), (3, 2, 5)) or window.year_like or _ODD.search(window.after[:2]):
        return 0.0
    return 0.6 if context.labelled(window.lower, context.PHONE) else 0.0
