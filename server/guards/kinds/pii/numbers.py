"""Numbers of the world: cards, and what states give their people. All but a few need their label."""

from __future__ import annotations

import re
from collections.abc import Callable

from server.guards.finders import Hit
from server.guards.kinds.pii import checks, context
from server.guards.kinds.pii.runs import Window

_HANGUL = re.compile("[가-힣]")
_CARD_SHAPES = ((4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3))


def card(window: Window) -> Hit | None:
    """4111-1111-1111-1111: Luhn, and the first digits of a scheme; a labelled one of the right form even with a wrong digit."""
    digits, shape, before = window.digits, window.shape, window.lower
    if not 14 <= len(digits) <= 19 or window.has_leet > 4 or window.is_cut_out or window.is_coded:
        return None
    labelled = context.labelled(before, context.CARD)
    other = context.other_number if shape in _CARD_SHAPES else context.other
    if not labelled and (other(before) or context.called_else(before, context.CARD)):
        return None
    if not checks.card(digits):
        typed = labelled and shape == (4, 4, 4, 4) and digits[0] in "345692" and not window.kinds & set(",:")
        return Hit(window.start, window.end, "card", 0.7) if typed else None
    if shape in _CARD_SHAPES:
        good = not window.kinds & set(",:") or labelled
    elif len(shape) == 1:
        good = context.named(before, context.CARD) or (len(digits) in (15, 16) and not context.other_near(before))
    else:
        good = (
            window.is_alone
            and (labelled or (len(digits) in (15, 16) and (len(shape) > 2 or shape == (8, 8))))
            and not window.kinds & set(",:")
        )
    return Hit(window.start, window.end, "card", 0.97) if good else None


def _labelled(
    category: str, label: context.Label, shapes: tuple[tuple[int, ...], ...], check: Callable[[str], bool], score: float = 0.86
) -> Callable[[Window], Hit | None]:
    """A number of these shapes, its check digit good, that has its label before it."""
    sizes = {sum(shape) for shape in shapes}

    def recognise(window: Window) -> Hit | None:
        if len(window.digits) not in sizes or window.shape not in shapes or window.is_cut_out or not check(window.digits):
            return None
        return Hit(window.start, window.end, category, score) if context.named(window.lower, label) else None

    return recognise


def us_ssn(window: Window) -> Hit | None:
    """078-05-1120; other separators need the label."""
    if len(window.digits) != 9 or window.is_cut_out or window.is_coded:
        return None
    before = window.lower
    named = context.named(before, context.SSN) and not context.labelled(before, context.PASSPORT)
    itin = named and window.digits[0] == "9" and window.digits[3] in "56789"
    if not checks.ssn(window.digits) and not itin:
        return None
    if window.shape == (3, 2, 4) and window.kinds == {"-"}:
        good = named or not (context.other(before) or context.called_else(before, context.SSN) or _HANGUL.search(before[-12:]))
    else:
        good = named and window.shape in ((3, 2, 4), (9,))
    return Hit(window.start, window.end, "us_ssn", 0.87) if good else None


def br_cpf(window: Window) -> Hit | None:
    """529.982.247-25."""
    if len(window.digits) != 11 or window.is_cut_out or not checks.cpf(window.digits):
        return None
    good = window.shape == (3, 3, 3, 2) and window.kinds == {".", "-"}
    if not good and not (window.shape in ((3, 3, 3, 2), (11,)) and context.named(window.lower, context.CPF)):
        return None
    return Hit(window.start, window.end, "br_cpf", 0.97)


def cn_id(window: Window) -> Hit | None:
    """18 digits, the last a check digit or X."""
    text, end = window.digits, window.end
    if window.shape not in ((18,), (17,), (6, 8, 4)) or (len(text) == 18 and window.is_cut_out):
        return None
    if len(text) == 17:
        following = window.run.raw[end : end + 2]
        if following[:1].upper() != "X" or (following[1:].isascii() and following[1:].isalnum()):
            return None
        text, end = text + "X", end + 1
    return Hit(window.start, end, "cn_id", 0.97) if checks.chinese_id(text) and not context.other(window.lower) else None


def birth_date(window: Window) -> Hit | None:
    """1990-01-01, where it is called a birthday."""
    if not context.labelled(window.lower, context.BIRTH) or window.is_cut_out:
        return None
    digits = window.digits
    if window.shape not in ((4, 2, 2), (8,), (2, 2, 4)):
        return None
    if window.shape == (2, 2, 4):
        digits = digits[4:] + digits[:4]
    return Hit(window.start, window.end, "birth_date", 0.9) if checks.is_date(digits) else None


jp_my_number = _labelled("jp_my_number", context.MY_NUMBER, ((12,), (4, 4, 4)), checks.my_number)
in_aadhaar = _labelled("in_aadhaar", context.AADHAAR, ((12,), (4, 4, 4)), checks.aadhaar)
ca_sin = _labelled("ca_sin", context.SIN, ((9,), (3, 3, 3)), checks.sin)
au_tfn = _labelled("au_tfn", context.TFN, ((9,), (3, 3, 3)), checks.tfn)
uk_nhs = _labelled("uk_nhs", context.NHS, ((10,), (3, 3, 4)), checks.nhs, 0.9)
pl_pesel = _labelled("pl_pesel", context.PESEL, ((11,),), checks.pesel)


def passport(window: Window) -> Hit | None:
    """Passport number: 123456789, as the USA and others have it."""
    good = window.shape == (9,) and context.labelled(window.lower, context.PASSPORT) and not window.is_cut_out
    return Hit(window.start, window.end, "passport", 0.8) if good else None
