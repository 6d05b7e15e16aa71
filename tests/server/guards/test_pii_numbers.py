"""Numbers of people, however they are written, and numbers that only look like them."""

from __future__ import annotations

import pytest

from tests.server.guards.pii_texts import found, pii_guard

PII = pii_guard()

PHONES = [
    "010-1234-5678",
    "01012345678",
    "010 1234 5678",
    "010.1234.5678",
    "010/1234/5678",
    "010_1234_5678",
    "010–1234–5678",
    "010·1234·5678",
    "010ㆍ1234ㆍ5678",
    "010ㅡ1234ㅡ5678",
    "010 - 1234 - 5678",
    "010--1234--5678",
    "(010)1234-5678",
    "010)1234-5678",
    "+82 10-1234-5678",
    "+82(0)10-1234-5678",
    "+821012345678",
    "0 1 0 1 2 3 4 5 6 7 8",
    "0 1 0 - 1 2 3 4 - 5 6 7 8",
    "0.1.0.1.2.3.4.5.6.7.8",
    "01 0-12 34-567 8",
    "공일공-일이삼사-오육칠팔",
    "공일공 일이삼사 오육칠팔",
    "공1공-1234-5678",
    "공1공-1이3사-5육7팔",
    "〇一〇-一二三四-五六七八",
    "010 다시 1234 다시 5678",
    "010에 1234에 5678",
    "０１０－１２３４－５６７８",
    "⓪①⓪-①②③④-⑤⑥⑦⑧",
    "0\u200b10-12\u200d34-5678",
    "010-\u202e1234-5678",
    "O1O-1234-5678",
    "0l0-1234-5678",
    "010\n1234\n5678",
    "011-234-5678",
    "02-123-4567",
    "02)123-4567",
    "031-1234-5678",
    "070-1234-5678",
    "0507-1234-5678",
    "1588-1234",
    "(212) 555-0187",
    "212-555-0187",
    "+1 415 555 2671",
    "+44 20 7946 0958",
]


@pytest.mark.parametrize("number", PHONES)
def test_a_phone_number_is_found_whole_in_any_form(number: str):
    assert found(PII, f"제 번호는 {number} 입니다") == [(number, "phone")]


@pytest.mark.parametrize("particle", ["로", "으로", "이야", "입니다", "은", "한테", "번"])
def test_a_particle_behind_a_number_is_not_cut(particle: str):
    assert found(PII, f"010-1234-5678{particle} 전화해") == [("010-1234-5678", "phone")]


@pytest.mark.parametrize(
    "text",
    [
        '{"phone": "01012345678"}',
        "| 홍길동 | 01012345678 |",
        "1,홍길동,01012345678,서울",
        "<tel>01012345678</tel>",
        "x = '01012345678'",
        "a\\n01012345678\\n",
    ],
)
def test_a_number_is_found_in_data_and_code(text: str):
    assert found(PII, text) == [("01012345678", "phone")]


@pytest.mark.parametrize(
    "number",
    [
        "900101-1234567",
        "900101 1234567",
        "900101–1234567",
        "900101.1234567",
        "９００１０１－１２３４５６７",
        "9 0 0 1 0 1 - 1 2 3 4 5 6 7",
        "구공공일공일-일이삼사오육칠",
        "90.01.01-1234567",
        "900101  -  1234567",
        "900101다시1234567",
        "210305-3918274",
    ],
)
def test_a_resident_number_needs_no_check_digit(number: str):
    assert found(PII, f"{number} 확인") == [(number, "resident_number")]


def test_the_seventh_digit_tells_a_foreigner():
    assert found(PII, "등록 910722-5123456") == [("910722-5123456", "foreigner_number")]


def test_thirteen_digits_are_a_resident_number_with_a_date_and_no_barcode():
    assert found(PII, "9001011234567 조회") == [("9001011234567", "resident_number")]
    assert found(PII, "8801234567893 조회") == []  # its check digit is a barcode's
    assert found(PII, "주민번호 8801234567893") == [("8801234567893", "resident_number")]


@pytest.mark.parametrize("text", ["900101-1******", "900101-*******", "991301-1234567", "900132-1234567", "법인 110111-1234567"])
def test_no_resident_number(text: str):
    assert found(PII, text) == []


def test_a_card_needs_its_check_digit_or_its_label():
    assert found(PII, "4111-1111-1111-1111") == [("4111-1111-1111-1111", "card")]
    assert found(PII, "4111-1111-1111-1112") == []
    assert found(PII, "카드번호 4111-1111-1111-1112") == [("4111-1111-1111-1112", "card")]


def test_a_business_number_needs_its_check_digit_or_its_label():
    assert found(PII, "120-81-47521") == [("120-81-47521", "business_number")]
    assert found(PII, "120-81-47522") == []
    assert found(PII, "사업자등록번호: 120-81-47522") == [("120-81-47522", "business_number")]


@pytest.mark.parametrize(
    "text", ["신한은행 {} 입금", "계좌번호: {}", "{} (국민은행)", "{} 농협", "환불은 카카오뱅크 {}로", "wire to account {}"]
)
def test_an_account_is_found_by_the_words_around_it(text: str):
    number = "110-234-567890"
    assert found(PII, text.format(number)) == [(number, "bank_account")]


def test_an_account_without_a_word_is_a_number():
    assert found(PII, "110-234-567890 확인") == []


def test_a_licence_and_a_passport():
    assert found(PII, "11-12-345678-90") == [("11-12-345678-90", "drivers_license")]
    assert found(PII, "여권번호 M12345678") == [("M12345678", "passport")]
    assert found(PII, "passport M123A4567") == [("M123A4567", "passport")]
    assert found(PII, "부품 M12345678") == []


@pytest.mark.parametrize(
    "text",
    [
        "1,234,567,890원",
        "주문번호 20241121-1234567",
        "송장 6012-3456-7890",
        "운송장번호 601234567890",
        "2024-11-21 10:20:30.123456",
        "1592-1598년",
        "2018-2022",
        "ISBN 9788912345674",
        "바코드 8801062636464",
        "v1.2.3.4",
        "3.14159265358979",
        "37.566535, 126.977969",
        "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3",
        "123e4567-e89b-12d3-a456-426614174000",
        "1 2 3 4 5 6 7 8 9 10 11 12",
        "0 1 0 1 1 0 0 1 0 1 1",
        "제품코드 XR-010-1234-5678",
        "품번 010-1234-5678",
        "SKU 212-555-0187",
        "특허 제10-1234567호",
        "대법원 2023다123456",
        "21-19, 18-21, 15-13",
        "epoch 1732176000",
        "18446744073709551616",
        "일이삼사 순서",
        "이번 주 일요일 사오 명",
        "사이사이 오이",
        "255.255.255.0",
        "127.0.0.1",
        "010-****-5678",
        "버전 10.15.7.1",
        "쿠폰 1234-5678-9012",
    ],
)
def test_what_only_looks_like_a_number_of_a_person_is_let_stand(text: str):
    assert found(PII, text) == []
