"""Check digits, and what else a number must satisfy. Each takes digits only (or letters and digits), and says whether they can be one.

Weights of the resident, foreigner and business numbers: Presidio's KR_RRN, KR_FRN and KR_BRN; Luhn: ISO/IEC 7812-1; IBAN: ISO 13616;
Verhoeff: Aadhaar; the rest as python-stdnum documents them.
"""

from __future__ import annotations

from collections.abc import Sequence

_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def is_date(digits: str) -> bool:
    """YYMMDD or YYYYMMDD; every year is taken for a leap year where only two digits of it are known."""
    year, month, day = digits[:-4], int(digits[-4:-2]), int(digits[-2:])
    if not 1 <= month <= 12 or not 1 <= day <= _DAYS[month - 1]:
        return False
    if len(year) == 4:
        full = int(year)
        leap = full % 4 == 0 and (full % 100 != 0 or full % 400 == 0)
        return 1800 <= full <= 2199 and (leap or (month, day) != (2, 29))
    return True


def resident(digits: str) -> bool:
    """The check digit of a resident number (7th digit 0-4, 9) or a foreigner's (5-8).

    Numbers issued since October 2020 have none (Resident Registration Act, rule of 2020-05-26): a failed check clears nobody.
    """
    total = weighted(digits[:12], (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5))
    base = 13 if digits[6] in "5678" else 11
    return (base - total % 11) % 10 == int(digits[12])


def business(digits: str) -> bool:
    """A Korean business number, 10 digits."""
    total = weighted(digits[:9], (1, 3, 7, 1, 3, 7, 1, 3, 5)) + int(digits[8]) * 5 // 10
    return len(set(digits)) > 2 and (10 - total % 10) % 10 == int(digits[9])


def corporate(digits: str) -> bool:
    """A Korean corporation's registration number, 13 digits."""
    return (10 - weighted(digits[:12], (1, 2) * 6) % 10) % 10 == int(digits[12])


def luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0 and len(set(digits)) > 1


def ean13(digits: str) -> bool:
    """A barcode, or an ISBN-13."""
    return (10 - weighted(digits[:12], (1, 3) * 6) % 10) % 10 == int(digits[12])


def iban(text: str) -> bool:
    """Capital letters and digits without spaces: the right length for its country, and ISO 7064 mod 97-10."""
    if IBAN_LENGTHS.get(text[:2]) != len(text) or not text[2:4].isdigit():
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28, "CH": 21, "CR": 22,
    "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22,
    "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30,
    "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31,
    "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SC": 31, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip


def card(digits: str) -> bool:
    """Luhn, and a first part (IIN) of a scheme: Visa, Mastercard, American Express, Discover, Diners, JCB, UnionPay, Korea's own."""
    return card_scheme(digits) and luhn(digits)


def card_scheme(digits: str) -> bool:
    size, two, three, four = len(digits), int(digits[:2]), int(digits[:3]), int(digits[:4])
    if size == 15:
        return two in (34, 37)
    if size == 14:
        return two in (36, 38) or 300 <= three <= 305
    if size == 16:
        return (
            digits[0] == "4" or 51 <= two <= 55 or 2221 <= four <= 2720 or four == 6011 or two in (62, 65, 81) or 644 <= three <= 649
            or 3528 <= four <= 3589 or two in (94, 95, 60, 50, 36)
        )  # fmt: skip
    return size == 19 and (two == 62 or digits[0] == "4")


def chinese_id(text: str) -> bool:
    """A resident of China: 18 characters, the last may be X (GB 11643)."""
    if not is_date(text[6:14]) or not 11 <= int(text[:2]) <= 82 or not 1900 <= int(text[6:10]) <= 2099:
        return False
    return "10X98765432"[weighted(text[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11] == text[17].upper()


def my_number(digits: str) -> bool:
    """Japan's individual number, 12 digits."""
    rest = weighted(digits[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest <= 1 else 11 - rest) == int(digits[11])


def cpf(digits: str) -> bool:
    """Brazil's tax number, 11 digits."""
    if len(set(digits)) == 1:
        return False
    for size in (9, 10):
        total = weighted(digits[:size], range(size + 1, 1, -1))
        if total * 10 % 11 % 10 != int(digits[size]):
            return False
    return True


_VERHOEFF = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210"
)  # fmt: skip
_ROUNDS = ("0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258")


def verhoeff(digits: str) -> bool:
    check = 0
    for index, digit in enumerate(reversed(digits)):
        check = int(_VERHOEFF[check][int(_ROUNDS[index % 8][int(digit)])])
    return check == 0


def aadhaar(digits: str) -> bool:
    return digits[0] not in "01" and verhoeff(digits)


def ssn(digits: str) -> bool:
    """A social security number of the USA may have been given out (SSA, since 2011)."""
    return digits[:3] not in ("000", "666") and digits[0] != "9" and digits[3:5] != "00" and digits[5:] != "0000" and len(set(digits)) > 1


def sin(digits: str) -> bool:
    """Canada's social insurance number."""
    return digits[0] != "8" and luhn(digits)


def tfn(digits: str) -> bool:
    """Australia's tax file number, 9 digits."""
    return weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def pesel(digits: str) -> bool:
    """Poland's number, 11 digits."""
    return (10 - weighted(digits[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10 == int(digits[10])


def nhs(digits: str) -> bool:
    """The number of a patient in England, 10 digits."""
    return (11 - weighted(digits[:9], range(10, 1, -1)) % 11) % 11 == int(digits[9])


def nif(text: str) -> bool:
    """Spain's DNI or NIE, 8 or 7 digits with letters around."""
    number = text[:-1].upper().translate(str.maketrans("XYZ", "012"))
    return number.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1].upper()


def nric(text: str) -> bool:
    """Singapore: S1234567D and the like."""
    text = text.upper()
    total = weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(text[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}[text[0]]
    return letters[total % 11 if text[0] != "M" else 10 - total % 11] == text[8]


_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23), strict=True))  # fmt: skip  # noqa: E501


def codice_fiscale(text: str) -> bool:
    """Italy's tax code, 16 letters and digits."""
    text = text.upper()
    even = {character: int(character) if character.isdigit() else ord(character) - 65 for character in set(text)}
    total = sum(_ODD[character] if index % 2 == 0 else even[character] for index, character in enumerate(text[:15]))
    return chr(65 + total % 26) == text[15]


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def bitcoin(text: str) -> bool:
    """An address in base58 with its checksum, or in bech32 (BIP 173, BIP 350)."""
    if text[:3].lower() == "bc1":
        return _bech32(text.lower())
    import hashlib

    number = 0
    for character in text:
        index = _BASE58.find(character)
        if index < 0:
            return False
        number = number * 58 + index
    if number >= 1 << 200:
        return False
    raw = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def _bech32(text: str) -> bool:
    values = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".find(character) for character in text[3:]]
    if min(values) < 0:
        return False
    check = 1
    for value in [3, 3, 0, 2, 3, *values]:  # `bc`, expanded
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)
