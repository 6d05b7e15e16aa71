"""What the words around a number make of it: its name, another number's name, a label behind it."""

from __future__ import annotations

import pytest

from tests.server.guards.pii_texts import found, pii_guard, secrets_guard

PII, SECRETS = pii_guard(), secrets_guard()


@pytest.mark.parametrize(
    ("text", "value", "category"),
    [
        ("배송 010-2345-6789", "010-2345-6789", "phone"),  # 주문, 배송: a telephone has to do with them too
        ("booking 010-2345-6789", "010-2345-6789", "phone"),
        ("현금영수증 010-2345-6789", "010-2345-6789", "phone"),
        ("사건 신고 02-345-6789", "02-345-6789", "phone"),
        ("결제 4111-1111-1111-1111", "4111-1111-1111-1111", "card"),
        ("보험 접수 900101-1234568", "900101-1234568", "resident_number"),
        ("주민 등록 번호 2011014217236", "2011014217236", "resident_number"),
        ("체류카드 8506225895706", "8506225895706", "foreigner_number"),
        ("국내거소신고번호 890630-5560865", "890630-5560865", "foreigner_number"),
        ("환불 계좌: 우리은행 1002166156823", "1002166156823", "bank_account"),  # and no foreigner's, though its check digit fits
        ("110-123-456789 (입금계좌)", "110-123-456789", "bank_account"),
        ("2208162345678 is my resident number", "2208162345678", "resident_number"),
        ("운전면허가 26-11-881012-46", "26-11-881012-46", "drivers_license"),
        ("공급받는자 등록번호 123-36-40793", "123-36-40793", "business_number"),
        ("중고차 123하 4046 조회", "123하 4046", "vehicle_plate"),
        ("12가 4567 (차량번호)", "12가 4567", "vehicle_plate"),
        ("여권번호 M 6 6 8 3 6 9 8 9", "M 6 6 8 3 6 9 8 9", "passport"),
        ("driver update server 10.0.0.5", "10.0.0.5", "ip"),
        ("o'brien.j@example.com", "o'brien.j@example.com", "email"),
        ("user @gmail.com", "user @gmail.com", "email"),
    ],
)
def test_what_a_number_is_called_says_what_it_is(text: str, value: str, category: str):
    assert found(PII, text) == [(value, category)]


@pytest.mark.parametrize(
    "text",
    [
        "주문번호 010-2345-6789",
        "운송장 010-2345-6789",
        "혈액번호 12-25-034512",  # of a 혈액은행, too
        "혈액은행 혈액번호 12-25-034512",
        "보험증권번호 816-20-1690",
        "meter no. 770-87-3330",
        '"permit_id": "784-84-7513"',
        "job #690-51-3162",
        "회원코드 4718598101537130",
        "항공권번호 680315-2226087",
        "주문 991231-5977677",
        "문의번호 2247944445",
        "[납부번호] 319-704-221828",
        "8806051136536 8806032826913",  # barcodes of Korea, whose digits fit a resident number too
        "2025-04-18|10:00|12345|67.89|OK",
        "Drawing 11-22-333444-55 rev B",
        "general ledger account 4000-100-2300",
        "Upgrade libssl from 1.1.1.23 to 3.0.2.1",
        "앱은 5.12.0.118 이상",
        "앱 버전 8.12.0.3 에서 로그인이 안 됩니다. 8.11.0.9 는 됐어요",
        "cidr 10.0.0.0/16 and multicast 224.0.0.251",
        r"const re = /^(\+82|0)1[016789]-?\d{3,4}-?\d{4}$/;",
        "3x + 12 = 48; 2^10 = 1024; 17! = 355687428096000",
        '@staticmethod @app.get("/a.b")',
        "https://deploy:Pa55word@db.internal:5432/app",
        "12 Euro, Seoul",
    ],
)
def test_a_number_that_is_called_something_else_is_let_stand(text: str):
    assert found(PII, text) == []


@pytest.mark.parametrize(
    "address",
    [
        "101-dong 502-ho, 12 Teheran-ro 7-gil, Gangnam-gu, Seoul, Republic of Korea 06236",
        "221-5 Nonhyeon-dong, Gangnam-gu, Seoul",
        "35 Bukchon-ro, Jongno-gu, Seoul 03059, Korea",
        "Seoul Gangnam-gu Teheran-ro 123",
        "1 Infinite Loop, Cupertino, CA 95014",
        "1600 Pennsylvania Avenue NW, Washington, DC 20500",
        "221B Baker Street, London NW1 6XE",
    ],
)
def test_addresses_in_latin_letters(address: str):
    assert found(PII, f"Ship to {address} please.") == [(address, "address")]


KEY, HEX = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2dE3f", "a8f5f167f44f4964e6c998dee827110c"


@pytest.mark.parametrize(
    ("text", "value", "category"),
    [
        ("네이버 클라이언트 시크릿 HpQWdWj2Rz 인데", "HpQWdWj2Rz", "naver_key"),
        (f"카카오 앱 키 {HEX} 이거 맞아?", HEX, "kakao_key"),
        (f"내 API 키는 {HEX} 입니다", HEX, "api_key"),
        (f"client_secret={KEY[:32]}&grant_type=client_credentials", KEY[:32], "api_key"),
        (f"aws configure set aws_secret_access_key {KEY}", KEY, "aws_key"),
        ("DB_PASS='xK9$mm2Lq'", "xK9$mm2Lq", "password"),
        ("비밀번호 | Ab3!Frknuh |", "Ab3!Frknuh", "password"),
        ("[PW] Ab3!Frknuh", "Ab3!Frknuh", "password"),
        ("비번\nAb3!Frknuh", "Ab3!Frknuh", "password"),
    ],
)
def test_secrets_behind_loose_labels(text: str, value: str, category: str):
    assert found(SECRETS, text) == [(value, category)]


@pytest.mark.parametrize(
    "text", ["pass: 12/15 students", "password | varchar(255)", "비밀번호 - ISO27001", "네이버 블로그 id is seoulfoodie2024"]
)
def test_words_behind_loose_labels_are_let_stand(text: str):
    assert found(SECRETS, text) == []


def test_the_secret_key_behind_an_aws_key_id():
    assert found(SECRETS, f"AKIA2E3D4C5B6A7Q2W3E / {KEY}") == [("AKIA2E3D4C5B6A7Q2W3E", "aws_key"), (KEY, "aws_key")]
