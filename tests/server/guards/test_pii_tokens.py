"""E-mail, addresses, IP, IBAN, names and what other states give out."""

from __future__ import annotations

import pytest

from server.errors import ConfigError
from server.guards.kinds.pii import ENTITIES
from tests.server.guards.pii_texts import found, pii_guard

PII = pii_guard()


@pytest.mark.parametrize(
    "address",
    [
        "hong@naver.com",
        "a.b+c@corp.co.kr",
        "hong [at] naver.com",
        "hong(at)naver(dot)com",
        "hong골뱅이naver.com",
        "hong @ naver.com",
        "ｈｏｎｇ＠ｎａｖｅｒ．ｃｏｍ",
        "hоng@nаver.com",
        "ho\u200bng@naver.com",
        "hong%40naver.com",
        "jane at example dot com",
    ],
)
def test_an_email_is_found_whole_in_any_form(address: str):
    assert found(PII, f"메일: {address} 입니다") == [(address, "email")]


@pytest.mark.parametrize(
    "text", ["git@github.com:org/repo", "icon@2x.png", "@user 안녕", "meet me @ noon", "react@18.2.0", "look at example dot com"]
)
def test_no_email(text: str):
    assert found(PII, text) == []


@pytest.mark.parametrize(
    "address",
    [
        "서울특별시 강남구 테헤란로 123",
        "경기도 성남시 분당구 판교역로 166, 101동 1203호",
        "부산 해운대구 우동 1408",
        "강남구 역삼동 736-1번지 3층",
        "서울 송파구 잠실동 엘스아파트 101동 1203호",
        "충남 천안시 동남구 목천읍 신계리 123-4",
        "제주시 첨단로 242",
    ],
)
def test_a_korean_address_is_found_to_its_flat(address: str):
    assert found(PII, f"집은 {address}입니다") == [(address, "address")]


@pytest.mark.parametrize(
    "text",
    [
        "마음대로 3번",
        "서울 강남구 역삼동에서 만나",
        "강남대로 3번 출구",
        "부산 해운대구 맛집 10곳",
        "서울 세종대로 20분 거리",
        "5 Star Place to eat",
    ],
)
def test_no_address(text: str):
    assert found(PII, text) == []


def test_an_american_address():
    assert found(PII, "I live at 123 Main St, Austin, TX 73301 now") == [("123 Main St, Austin, TX 73301", "address")]


@pytest.mark.parametrize(
    ("text", "value", "category"),
    [
        ("IBAN GB82 WEST 1234 5698 7654 32 please", "GB82 WEST 1234 5698 7654 32", "iban"),
        ("서버 203.0.113.77 접속", "203.0.113.77", "ip"),
        ("at 2001:db8::8a2e:370:7334 now", "2001:db8::8a2e:370:7334", "ip"),
        ("SSN 536-22-8726", "536-22-8726", "us_ssn"),
        ("NINO AB123456C", "AB123456C", "uk_nino"),
        ("NRIC S1234567D", "S1234567D", "sg_nric"),
        ("CPF 529.982.247-25", "529.982.247-25", "br_cpf"),
        ("身份证 11010519491231002X", "11010519491231002X", "cn_id"),
        ("codice RSSMRA85T10A562S", "RSSMRA85T10A562S", "it_fiscal_code"),
        ("DNI 12345678Z", "12345678Z", "es_nif"),
        ("BTC 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "crypto"),
        ("통관부호 P123456789012", "P123456789012", "customs_code"),
        ("차량번호 12가 3456", "12가 3456", "vehicle_plate"),
    ],
)
def test_other_papers(text: str, value: str, category: str):
    assert found(PII, text) == [(value, category)]


def test_names_are_looked_for_where_they_are_asked_for():
    assert found(PII, "홍길동 과장님, 이름: 김철수") == []
    assert found(pii_guard(entities=("name",)), "홍길동 과장님, 이름: 김철수") == [("홍길동", "name"), ("김철수", "name")]


def test_only_the_entities_that_are_asked_for_are_found():
    assert found(pii_guard(entities=("email",)), "010-1234-5678 a@b.com") == [("a@b.com", "email")]


def test_an_unknown_entity_is_refused_with_the_one_that_was_meant():
    with pytest.raises(ConfigError, match="did you mean 'phone'"):
        pii_guard(entities=("phon",))


def test_what_is_allowed_is_let_through_in_any_form():
    guard = pii_guard(allow=("1588-1234",))
    assert found(guard, "1588-1234, １５８８－１２３４, 1588-9999") == [("1588-9999", "phone")]


def test_every_entity_has_a_default():
    assert not ENTITIES["name"]
    assert ENTITIES["resident_number"]
