"""Check digits, with the examples of those who publish the rules."""

from __future__ import annotations

import pytest

from server.guards.kinds.pii import checks


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (checks.luhn, "79927398713"),
        (checks.card, "378282246310005"),
        (checks.business, "1208147521"),
        (checks.corporate, "1301110006246"),
        (checks.ean13, "4006381333931"),
        (checks.iban, "GB82WEST12345698765432"),
        (checks.chinese_id, "11010519491231002X"),
        (checks.my_number, "123456789018"),
        (checks.cpf, "52998224725"),
        (checks.verhoeff, "2363"),
        (checks.nhs, "9434765919"),
        (checks.pesel, "44051401359"),
        (checks.tfn, "123456782"),
        (checks.sin, "046454286"),
        (checks.nif, "12345678Z"),
        (checks.nif, "X1234567L"),
        (checks.nric, "S1234567D"),
        (checks.codice_fiscale, "RSSMRA85T10A562S"),
        (checks.bitcoin, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        (checks.bitcoin, "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
    ],
)
def test_the_check_takes_the_right_one_and_not_its_neighbour(check, good: str):
    at = len(good) - 2
    other = good[:at] + next(c for c in "0123456789q" if c != good[at] and c.isdigit() == good[at].isdigit()) + good[at + 1 :]
    assert check(good)
    assert not check(other)


def test_resident_numbers_by_both_formulas():
    assert checks.resident("8001011234560") == ((11 - checks.weighted("800101123456", (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10 == 0)
    assert checks.resident("9001011234568") is True
    assert checks.resident("9001011234567") is False


@pytest.mark.parametrize(
    ("text", "good"), [("000229", True), ("900230", False), ("901301", False), ("19000229", False), ("20000229", True)]
)
def test_a_date_is_one_of_the_calendar(text: str, good: bool):
    assert checks.is_date(text) is good
