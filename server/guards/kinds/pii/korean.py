"""Numbers of Korea: resident, business, corporate, driver's licence, bank account."""

from __future__ import annotations

import re

from server.guards.finders import Hit
from server.guards.kinds.pii import checks, context
from server.guards.kinds.pii.runs import Window

_PLAIN = frozenset("- ./_~")  # what people put between the two halves
_SHAPES = ((6, 7), (6, 1, 6), (2, 2, 2, 7), (2, 2, 2, 1, 6))
_ENGLISH, _HANGUL = re.compile("[a-z]{2}"), re.compile("[가-힣]")
_REGIONS = range(11, 29)  # of licences: 11 Seoul to 28 Gyeonggi north


def resident(window: Window) -> Hit | None:
    """900101-1234567. Since October 2020 the check digit says nothing, so the date and the seventh digit decide.

    A tail that is masked already (900101-1******) is let stand: it names nobody.
    """
    digits, shape = window.digits, window.shape
    if len(digits) == 15:
        return _with_century(window)
    if len(digits) != 13 or not checks.is_date(digits[:6]):
        return None
    seventh = digits[6]
    if seventh in "09":
        if not (checks.resident(digits) and context.named(window.lower, context.RESIDENT)):
            return None
    elif not _sure(window):
        return None
    if len(set(digits)) < 3:
        return None
    if shape == (13,) or window.has_leet:
        if window.is_cut_out or window.has_leet > 4 or (shape not in _SHAPES and shape != (13,) and not window.is_spread):
            return None
    elif not (window.is_alone if shape in _SHAPES or window.is_spread else window.is_whole_run) and not (
        shape == (6, 7) and not window.is_cut_out
    ):
        return None
    score = 0.98 if len(shape) == 1 or shape in _SHAPES or window.is_spread else 0.6
    return Hit(window.start, window.end, "foreigner_number" if seventh in "5678" else "resident_number", score)


def _sure(window: Window) -> bool:
    digits, shape, before = window.digits, window.shape, window.lower
    if context.labelled(before, context.RESIDENT) or context.follows(window.after, context.RESIDENT):
        return True
    if shape not in _SHAPES and shape != (13,) and not window.is_spread and not context.named(before, context.RESIDENT):
        return False
    typical = shape == (6, 7) and window.kinds <= {"-"}
    if (context.other_number if typical else context.other)(before) or context.named(before, context.CORPORATE):
        return False
    if shape != (6, 7) and (context.labelled(before, context.ACCOUNT) or context.called_else(before, context.RESIDENT)):
        return False
    if shape == (13,) and digits[:3] == "880" and checks.ean13(digits):
        return context.named(before, context.RESIDENT)  # Korea's barcodes begin so: without a word, one rather than who was born in 1988
    if context.named(before, context.RESIDENT) or (checks.resident(digits) and (typical or not context.other_near(before))):
        return True
    if typical:
        return not (context.other(before) or context.called_a_thing(before, context.RESIDENT))
    if context.other_near(before) or not _lived(digits):
        return False
    if shape == (13,):
        return not checks.ean13(digits)
    return shape == (6, 7) or window.is_spread or window.kinds <= _PLAIN


def _lived(digits: str) -> bool:
    """Born from 1930 to 2029: what a person who writes today was, and an order number that begins with a date is not."""
    year, old = int(digits[:2]), digits[6] in "1256"
    return year >= 30 if old else year <= 29


def _with_century(window: Window) -> Hit | None:
    """19900101-1234567."""
    digits = window.digits
    if window.shape not in ((8, 7), (4, 2, 2, 7)) or not checks.is_date(digits[:8]) or window.is_cut_out:
        return None
    if digits[8] not in {"19": "1256", "20": "3478"}.get(digits[:2], ""):
        return None
    if not (context.named(window.lower, context.RESIDENT) or (checks.resident(digits[2:]) and not context.other_near(window.lower))):
        return None
    return Hit(window.start, window.end, "foreigner_number" if digits[8] in "5678" else "resident_number", 0.98)


def corporate(window: Window) -> Hit | None:
    """110111-1234569, with its label."""
    if window.shape not in ((6, 7), (13,)) or window.is_cut_out or not context.named(window.lower, context.CORPORATE):
        return None
    return Hit(window.start, window.end, "corporate_number", 0.9)


def business(window: Window) -> Hit | None:
    """123-45-67891."""
    if len(window.digits) != 10:
        return None
    valid, before = checks.business(window.digits), window.lower
    if context.labelled(before, context.BUSINESS) or context.follows(window.after, context.BUSINESS):
        good = window.shape == (3, 2, 5) or (valid and window.is_alone)
    elif context.other(before):
        good = False
    elif window.shape == (3, 2, 5):
        sure = valid and not window.kinds & set(",:") and not context.called_else(before, context.REGISTERED)
        good = sure or context.named(before, context.BUSINESS)
    else:
        good = valid and window.is_alone and context.named(before, context.BUSINESS)
    if not good or window.is_cut_out or window.is_coded:
        return None
    return Hit(window.start, window.end, "business_number", 0.93)


def licence(window: Window) -> Hit | None:
    """11-12-345678-90: region, year, number, check digits (whose rule is not public)."""
    if len(window.digits) == 10:  # 서울 12-345678-90: the older form
        region = window.shape == (2, 6, 2) and context.labelled(window.lower, _REGION_NAMES)
        return Hit(window.start, window.end, "drivers_license", 0.9) if region or _licence_labelled(window) else None
    if len(window.digits) != 12 or int(window.digits[:2]) not in _REGIONS or window.is_cut_out:
        return None
    if window.shape == (2, 2, 6, 2):
        before = window.lower
        good = not context.other(before) and not context.called_else(before, context.LICENCE)
        good = good and not window.is_coded and not window.kinds & set(",:")
        if good and _ENGLISH.search(before) is not None and _HANGUL.search(before) is None:  # numbers of drawings are so, too
            good = context.named(before, context.LICENCE)
    else:
        said = context.named(window.lower, context.LICENCE) or context.follows(window.after, context.LICENCE)
        good = window.is_alone and said
    return Hit(window.start, window.end, "drivers_license", 0.94) if good else None


def _licence_labelled(window: Window) -> bool:
    return window.shape in ((2, 6, 2), (10,)) and context.labelled(window.lower, context.LICENCE)


_REGION_NAMES = context.words("서울|부산|경기|강원|충북|충남|전북|전남|경북|경남|제주|대구|인천|광주|대전|울산|세종", "seoul|busan")


def account(window: Window) -> Hit | None:
    """110-123-456789, with a bank or an account among the words around."""
    digits, shape, before = window.digits, window.shape, window.lower
    if not 10 <= len(digits) <= 16 or window.has_leet:
        return None
    if window.is_cut_out or window.is_coded or not window.is_alone or context.other(before):
        return None
    if len(shape) > 1 and (len(window.kinds) > 1 or window.kinds & set(",:;/()+") or (len(shape) > 5 and not window.is_spread)):
        return None
    if window.year_like and len(shape) > 1 and len(shape[1:]) >= 2 and max(shape[1:3]) <= 2:
        return None  # 2024-01-01-...
    if context.called_else(before, context.ACCOUNT):
        return None
    follows = context.ACCOUNT_AFTER.search(window.after) is not None or context.follows(window.after, context.ACCOUNT)
    near = context.labelled(before, context.ACCOUNT) or context.named(before[-30:], context.ACCOUNT)
    if not near and not follows:
        return None
    if not near and len(shape) == 1 and len(digits) not in (11, 12, 13, 14):
        return None
    return Hit(window.start, window.end, "bank_account", 0.8)
