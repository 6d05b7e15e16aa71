"""Labels, masks and tokens that are put back."""

from __future__ import annotations

import json
import random

import pytest

from server.guards.base import Finding
from server.guards.hold import Bound, Hold
from server.guards.redact import Restorer, Vault, label, replacer
from tests.server.guards.pii_texts import pii_guard


def redacted(text: str, form, vault: Vault | None = None, language="ko") -> str:
    hold = Hold([Bound("pii", pii_guard(), "redact", replacer(form, language, Vault() if vault is None else vault))], "input")
    return hold.feed(text) + hold.finish()


def test_a_label_is_in_the_language_of_the_text():
    assert label("resident_number", "ko") == "[주민등록번호]"
    assert label("resident_number", "en") == "[RESIDENT_NUMBER]"
    assert label("my_own", "ko") == "[my_own]"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("900101-1234567", "900101-*******"),
        ("９００１０１－１２３４５６７", "900101-*******"),
        ("구공공일공일-일이삼사오육칠", "900101-*******"),
        ("010-1234-5678", "010-****-5678"),
        ("01012345678", "010****5678"),
        ("02-123-4567", "02-***-4567"),
        ("1588-1234", "1588-****"),
        ("+82 10-1234-5678", "+82 10-****-5678"),
        ("4111-1111-1111-1111", "****-****-****-1111"),
        ("hong@naver.com", "h***@naver.com"),
        ("서버 203.0.113.77", "서버 203.0.*.*"),
        ("120-81-47521", "120-81-*****"),
        ("11-12-345678-90", "11-12-******-**"),
        ("여권 M12345678", "여권 M1234****"),
        ("서울특별시 강남구 테헤란로 123", "서울특별시 강남구 ***"),
    ],
)
def test_a_mask_keeps_what_is_customary(text: str, masked: str):
    assert redacted(text, "mask") == masked


@pytest.mark.parametrize("form", ["label", "mask", "reversible"])
def test_what_stands_in_is_no_personal_data_itself(form):
    text = "900101-1234567, 010-1234-5678, 4111-1111-1111-1111, hong@naver.com, 서버 203.0.113.77"
    once = redacted(text, form)
    assert once != text
    assert redacted(once, form) == once


def test_the_same_value_has_the_same_token_in_any_form():
    vault = Vault()
    assert redacted("010-1234-5678, 010-9999-8888, ０１０.1234.5678", "reversible", vault) == "<PHONE_1>, <PHONE_2>, <PHONE_1>"
    assert vault.restore("call <PHONE_2> or <PHONE_1>") == "call 010-9999-8888 or 010-1234-5678"


def test_a_token_that_the_client_wrote_is_not_given_to_a_value():
    vault = Vault()
    vault.avoid("what is <PHONE_1>?")
    assert vault.token("010-1234-5678", "phone") == "<PHONE_2>"
    assert vault.restore("<PHONE_1> <PHONE_2>") == "<PHONE_1> 010-1234-5678"


def test_an_empty_vault_changes_nothing():
    assert not Vault()
    assert Vault().restore("<PHONE_1>") == "<PHONE_1>"


def test_a_value_comes_back_the_same_for_any_pieces():
    vault = Vault()
    values = ["010-1234-5678", "hong@naver.com", *[f"010-0000-{number:04}" for number in range(12)]]
    tokens = [vault.token(value, "phone") for value in values]
    text = " <".join(tokens) + " <PHONE_ <PHONE_99> <<PHONE_1>> <PHONE_1"
    rng = random.Random(1)
    whole = vault.restore(text)
    assert all(value in whole for value in values)
    for _ in range(500):
        cuts = sorted(rng.randint(0, len(text)) for _ in range(rng.randint(0, 30)))
        restorer = Restorer(vault)
        out = "".join(restorer.feed(text[a:b]) for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)) + restorer.finish()
        assert out == whole


def test_text_that_cannot_become_a_token_is_not_held_back():
    vault = Vault()
    vault.token("010-1234-5678", "phone")
    restorer = Restorer(vault)
    assert restorer.feed("a < b") == "a < b"
    assert restorer.feed(" <PH") == " "
    assert restorer.feed("P>") == "<PHP>"


def test_a_value_is_escaped_inside_json():
    vault = Vault()
    token = vault.token('12 "A" St\n한글', "address")
    arguments = json.dumps({"to": f"at {token}!"})
    assert json.loads(vault.restore(arguments, escaped=True)) == {"to": 'at 12 "A" St\n한글!'}
    assert json.loads(vault.restore('{"to": "\\u003cADDRESS_1\\u003e"}', escaped=True)) == {"to": '12 "A" St\n한글'}


def test_a_category_of_any_name_makes_a_token():
    vault = Vault()
    assert vault.token("X-12", "사번 no.1") == "<사번_NO_1_1>"
    assert vault.restore("<사번_NO_1_1>") == "X-12"
    assert replacer("reversible", "ko", vault)("X-12", Finding(0, 4, "사번 no.1")) == "<사번_NO_1_1>"
