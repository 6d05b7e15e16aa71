"""Made-up personal data, and made-up things that look like it. The check digits are right where the real ones are."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections.abc import Callable

from server.guards.kinds.pii import checks

_ROMAN = (
    "minsu",
    "jiyeon",
    "hong.gildong",
    "kim_ys",
    "sujin92",
    "park.jh",
    "cjlee",
    "dev-ops",
    "jane.doe",
    "m.schmidt",
    "a.b.cole",
    "contact",
)
_HOSTS = ("naver.com", "gmail.com", "daum.net", "kakao.com", "example.co.kr", "hanmail.net", "corp.example.com", "snu.ac.kr", "proton.me")
_ROADS = ("테헤란로", "판교역로", "세종대로", "올림픽로35길", "강남대로", "중앙로", "해운대로", "첨단과기로", "대학로12번길", "월드컵북로")
_PLACES = (
    "서울특별시 강남구", "서울 마포구", "경기도 성남시 분당구", "부산광역시 해운대구", "대전 유성구", "인천 연수구",
    "제주특별자치도 제주시",
    "강원특별자치도 춘천시", "충청북도 청주시 흥덕구", "전북 전주시 완산구", "광주 북구", "경남 창원시 성산구", "대구광역시 수성구",
)  # fmt: skip
_LOTS = ("역삼동", "우동", "정자동", "상암동", "봉명동", "송도동", "연동", "효자동", "노형동")
_STREETS = ("Main Street", "Oak Avenue", "Elm St", "Sunset Blvd", "Baker Street", "Maple Drive", "Fifth Avenue", "Lakeview Road")
_TOWNS = ("Springfield, IL 62704", "Austin, TX 73301", "Portland, OR 97201", "Boston, MA 02108", "Denver, CO 80202")
_BANKS = ("국민은행", "신한은행", "우리은행", "하나은행", "농협", "카카오뱅크", "토스뱅크", "기업은행", "새마을금고", "우체국")


def digits(rng: random.Random, count: int, first: str = "0123456789") -> str:
    return rng.choice(first) + "".join(rng.choices("0123456789", k=count - 1))


def _checked(number: str, good: Callable[[str], bool]) -> str:
    """`number` with the last digit that makes it good."""
    return next(made for digit in "0123456789" if good(made := number + digit))


def _birth(rng: random.Random) -> tuple[int, str]:
    year, month, day = rng.randint(1940, 2023), rng.randint(1, 12), rng.randint(1, 28)
    return year, f"{year % 100:02}{month:02}{day:02}"


def _resident(rng: random.Random, foreign: bool) -> str:
    year, date = _birth(rng)
    seventh = rng.choice(("56" if foreign else "12") if year < 2000 else ("78" if foreign else "34"))
    number = date + seventh + digits(rng, 5)
    if rng.random() < 0.6:
        base = 13 if foreign else 11
        number += str((base - checks.weighted(number, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10)
    else:
        number += digits(rng, 1)  # given out since October 2020
    return f"{number[:6]}-{number[6:]}" if rng.random() < 0.8 else number


def _phone(rng: random.Random, language: str) -> str:
    a, b = digits(rng, 4, "23456789"), digits(rng, 4)
    if language == "en" and rng.random() < 0.5:
        area, office = digits(rng, 3, "23456789"), digits(rng, 3, "23456789")
        return rng.choice([f"({area}) {office}-{b}", f"{area}-{office}-{b}", f"+1 {area} {office} {b}", f"+44 20 7{a[:3]} {b}"])
    return rng.choice(
        [f"010-{a}-{b}"] * 6
        + [f"010{a}{b}", f"011-{a[:3]}-{b}", f"02-{a}-{b}", f"031-{a[:3]}-{b}", f"070-{a}-{b}", f"+82 10-{a}-{b}", f"0507-1{a[:3]}-{b}"]
    )


def _card(rng: random.Random, _language: str) -> str:
    start = rng.choice(["4", "51", "55", "2221", "6011", "3567", "9411", "34", "37", "6221"])
    size = 15 if start in ("34", "37") else 16
    number = _checked(start + digits(rng, size - 1 - len(start)), checks.luhn)
    if size == 15:
        return rng.choice([f"{number[:4]}-{number[4:10]}-{number[10:]}", number])
    return rng.choice(["-".join, " ".join, "".join])([number[i : i + 4] for i in range(0, 16, 4)])


def _account(rng: random.Random, _language: str) -> str:
    shape = rng.choice([(3, 3, 6), (6, 2, 6), (3, 4, 4, 2), (4, 3, 6), (3, 2, 6), (4, 2, 7), (3, 6, 2, 3)])
    return "-".join(digits(rng, size, "1234567") for size in shape)


def _business(rng: random.Random, _language: str) -> str:
    while True:
        number = digits(rng, 9, "123456")
        for digit in "0123456789":
            if checks.business(number + digit):
                return f"{number[:3]}-{number[3:5]}-{number[5:]}{digit}"


def _licence(rng: random.Random, _language: str) -> str:
    return f"{rng.randint(11, 26)}-{digits(rng, 2)}-{digits(rng, 6)}-{digits(rng, 2)}"


def _passport(rng: random.Random, _language: str) -> str:
    return rng.choice([f"M{digits(rng, 8)}", f"M{digits(rng, 3)}{rng.choice('ABCDEFGH')}{digits(rng, 4)}", f"S{digits(rng, 8)}"])


def _address(rng: random.Random, language: str) -> str:
    if language == "en":
        return f"{rng.randint(1, 9999)} {rng.choice(_STREETS)}, {rng.choice(_TOWNS)}"
    place, number = rng.choice(_PLACES), rng.randint(1, 399)
    inside = rng.choice(["", "", f" {rng.randint(1, 25)}층", f", {rng.randint(101, 120)}동 {rng.randint(1, 25)}0{rng.randint(1, 8)}호"])
    if rng.random() < 0.6:
        return f"{place} {rng.choice(_ROADS)} {number}{inside}"
    return f"{place} {rng.choice(_LOTS)} {number}-{rng.randint(1, 40)}{inside}"


def _email(rng: random.Random, _language: str) -> str:
    return f"{rng.choice(_ROMAN)}{rng.choice(['', '', digits(rng, 2)])}@{rng.choice(_HOSTS)}"


def _ip(rng: random.Random, _language: str) -> str:
    if rng.random() < 0.25:
        return "2001:db8:" + ":".join(f"{rng.randint(1, 0xFFFF):x}" for _ in range(6))
    return ".".join(str(rng.randint(11, 223)) for _ in range(4))


def _iban(rng: random.Random, _language: str) -> str:
    country = rng.choice(["DE", "FR", "GB", "ES", "NL"])
    by_country = {
        "DE": digits(rng, 18),
        "FR": digits(rng, 23),
        "GB": "WEST" + digits(rng, 14),
        "ES": digits(rng, 20),
        "NL": "ABNA" + digits(rng, 10),
    }
    inner = by_country[country]
    number = next(made for check in range(2, 99) if checks.iban(made := f"{country}{check:02}{inner}"))
    return number if rng.random() < 0.5 else " ".join(number[i : i + 4] for i in range(0, len(number), 4))


def _ssn(rng: random.Random, _language: str) -> str:
    return f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}"


_MAKERS: dict[str, Callable[[random.Random, str], str]] = {
    "resident_number": lambda rng, language: _resident(rng, False),
    "foreigner_number": lambda rng, language: _resident(rng, True),
    "phone": _phone,
    "card": _card,
    "bank_account": _account,
    "business_number": _business,
    "drivers_license": _licence,
    "passport": _passport,
    "address": _address,
    "email": _email,
    "ip": _ip,
    "iban": _iban,
    "us_ssn": _ssn,
}


def of(category: str, rng: random.Random, language: str) -> str:
    return _MAKERS[category](rng, language)


def bank(rng: random.Random) -> str:
    return rng.choice(_BANKS)


def _barcode(rng: random.Random) -> str:
    return _checked(rng.choice(["880", "978", "979", "471", "490"]) + digits(rng, 9), checks.ean13)


def _amount(rng: random.Random) -> str:
    return f"{rng.randint(1, 10 ** rng.randint(4, 11)):,}"


def _day(rng: random.Random, form: str = "{}-{:02}-{:02}") -> str:
    return form.format(rng.randint(1950, 2030), rng.randint(1, 12), rng.randint(1, 28))


def _hash(rng: random.Random) -> str:
    made = hashlib.sha256(rng.randbytes(8)).hexdigest()
    return rng.choice([made, made[:40], made[:12], made[:32]])


def _uuid(rng: random.Random) -> str:
    made = hashlib.sha256(rng.randbytes(8)).hexdigest()
    return f"{made[:8]}-{made[8:12]}-4{made[13:16]}-a{made[17:20]}-{made[20:32]}"


_FILL: dict[str, Callable[[random.Random], str]] = {  # of clean texts: {amount}, {digits12}
    "amount": _amount,
    "barcode": _barcode,
    "isbn": lambda rng: "-".join(["978", "89", digits(rng, 4), digits(rng, 3), digits(rng, 1)]),
    "day": _day,
    "dotted": lambda rng: _day(rng, "{}.{:02}.{:02}"),
    "compact": lambda rng: _day(rng, "{}{:02}{:02}"),
    "time": lambda rng: f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}",
    "clock": lambda rng: f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}",
    "version": lambda rng: f"{rng.randint(0, 30)}.{rng.randint(0, 40)}.{rng.randint(0, 200)}",
    "hash": _hash,
    "uuid": _uuid,
    "lat": lambda rng: f"{rng.uniform(33, 38.6):.6f}",
    "lon": lambda rng: f"{rng.uniform(124.6, 131.9):.6f}",
    "year": lambda rng: str(rng.randint(1900, 2030)),
    "small": lambda rng: str(rng.randint(1, 99)),
    "number": lambda rng: str(rng.randint(100, 99999)),
    "float": lambda rng: f"{rng.uniform(0, 1000):.{rng.randint(1, 9)}f}",
    "base64": lambda rng: base64.b64encode(rng.randbytes(24)).decode(),
    "epoch": lambda rng: str(rng.randint(1_600_000_000, 1_900_000_000)),
    "epochms": lambda rng: str(rng.randint(1_730_000_000_000, 1_900_000_000_000)),
    "letters": lambda rng: "".join(rng.choices("ABCDEFGHKLMNPQRSTVWXYZ", k=rng.randint(2, 4))),
}


def filled(template: str, rng: random.Random) -> str:
    def put(found: re.Match[str]) -> str:
        name = found[1]
        counted = re.fullmatch(r"digits(\d+)", name)
        return digits(rng, int(counted[1]), "123456789") if counted else _FILL[name](rng)

    return re.sub(r"\{(\w+)\}", put, template)
