"""Addresses, as far as rules reach: a Korean one from its province or city to the number of the house and the flat; an American one.

A province (any city after it) or a city of the list must begin it: `마음대로 3번` is no address. Without them, `주소:` must.
Forms: Road Name Address Act; https://www.juso.go.kr.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.guards.finders import Before, Hit, Token

_PROVINCES = (
    "서울(?:특별시|시)?|(?:부산|대구|인천|광주|대전|울산)(?:광역시|시)?|세종(?:특별자치시|시)?|경기도?|강원(?:특별자치)?도?|충청[북남]도|충[북남]"
    "|전라[북남]도|전북특별자치도|전[북남]|경상[북남]도|경[북남]|제주(?:특별자치)?도?"
)
_CITIES = (
    "강남구|강동구|강북구|강서구|관악구|광진구|구로구|금천구|노원구|도봉구|동대문구|동작구|마포구|서대문구|서초구|성동구|성북구|송파구|양천구|영등포구|용산구"
    "|은평구|종로구|중랑구|중구|동구|서구|남구|북구|해운대구|수영구|연제구|사상구|사하구|금정구|동래구|부산진구|영도구|기장군|수성구|달서구|달성군|군위군|연수구|남동구"
    "|부평구|계양구|미추홀구|강화군|옹진군|광산구|유성구|대덕구|울주군|수원시|성남시|의정부시|안양시|부천시|광명시|평택시|동두천시|안산시|고양시|과천시|구리시|남양주시"
    "|오산시|시흥시|군포시|의왕시|하남시|용인시|파주시|이천시|안성시|김포시|화성시|광주시|양주시|포천시|여주시|연천군|가평군|양평군|분당구|수정구|중원구|영통구|장안구|권선구"
    "|팔달구|만안구|동안구|단원구|상록구|덕양구|일산동구|일산서구|기흥구|수지구|처인구|춘천시|원주시|강릉시|동해시|태백시|속초시|삼척시|홍천군|횡성군|영월군|평창군|정선군"
    "|철원군|화천군|양구군|인제군|고성군|양양군|청주시|상당구|서원구|흥덕구|청원구|충주시|제천시|보은군|옥천군|영동군|증평군|진천군|괴산군|음성군|단양군|천안시|동남구|서북구"
    "|공주시|보령시|아산시|서산시|논산시|계룡시|당진시|금산군|부여군|서천군|청양군|홍성군|예산군|태안군|전주시|완산구|덕진구|군산시|익산시|정읍시|남원시|김제시|완주군|진안군"
    "|무주군|장수군|임실군|순창군|고창군|부안군|목포시|여수시|순천시|나주시|광양시|담양군|곡성군|구례군|고흥군|보성군|화순군|장흥군|강진군|해남군|영암군|무안군|함평군|영광군"
    "|장성군|완도군|진도군|신안군|포항시|경주시|김천시|안동시|구미시|영주시|영천시|상주시|문경시|경산시|의성군|청송군|영양군|영덕군|청도군|고령군|성주군|칠곡군|예천군|봉화군"
    "|울진군|울릉군|창원시|의창구|성산구|마산합포구|마산회원구|진해구|진주시|통영시|사천시|김해시|밀양시|거제시|양산시|의령군|함안군|창녕군|남해군|하동군|산청군|함양군|거창군"
    "|합천군|제주시|서귀포시|세종시"
)
_S = "[ ,]{0,2}"
_ANY_CITY = r"(?:[가-힣]{1,5}[시군구])"
_NUMBER = r"(?:지하 ?)?[0-9]{1,5}(?: ?- ?[0-9]{1,4})?"
_ROAD = r"[가-힣0-9A-Za-z·.]{1,12}(?:대로|로|길)(?: ?[0-9]{1,4}(?:번|가|나|다|라)?길)?"
_TOWN = rf"(?:[가-힣]{{1,6}}[읍면]{_S})?"
_LOT = r"[가-힣0-9]{1,8}(?:동|리|[0-9]가)"
_HOUSES = (
    "아파트|빌딩|타워|오피스텔|빌라|맨션|주택|상가|센터|하우스|캐슬|자이"
    "|힐스테이트|래미안|푸르지오|롯데캐슬|더샵|아이파크|이편한세상|APT|apt"
)
_HOUSE = rf"[가-힣A-Za-z0-9]{{0,12}}(?:{_HOUSES})"
_FLAT = r"(?:[0-9]{1,4}|[A-Za-z가-하])동|(?:지하 ?|B)?[0-9]{1,3}층|B?[0-9]{1,5}호"
_DETAIL = rf"(?:{_S}(?:\([가-힣0-9A-Za-z, ]{{1,30}}\)|{_HOUSE}|{_FLAT}))"
_REST = (
    rf"(?:{_TOWN}(?:{_ROAD} ?{_NUMBER}|{_LOT}{_S}(?:산 ?)?{_NUMBER})(?: ?번지)?{_DETAIL}{{0,4}}"
    rf"|{_TOWN}(?:{_LOT}{_S})?{_HOUSE}{_S}(?:{_FLAT})(?:{_S}(?:{_FLAT})){{0,2}})"
)
KOREAN = rf"(?<![가-힣])(?:대한민국 ?)?(?:(?:{_PROVINCES}){_S}(?:{_ANY_CITY}{_S}){{0,2}}|(?:{_CITIES}){_S}(?:{_ANY_CITY}{_S})?){_REST}"
_LABEL = r"(?:집주소|주소지|주소|배송지|거주지|도착지|수령지|사는 ?곳|소재지)[\"'` ]{0,2}(?:는|은|가|:|=|\||-)?[\"'` ]{1,3}"
LABELLED = rf"{_LABEL}(?:{_ANY_CITY} ?)?{_REST}"
_UNIT = re.compile(
    r"^ ?(?:년|월|일|개|명|원|%|％|분|시|초|km|킬로|미터|m|번 ?출구|출구|호선|번째|번 ?버스"
    r"|만|억|천|백|배|곳|건|세대|가구|차|회|위|대|층짜리|등|점|주년|도|퍼센트|인분|\.[0-9])"
)
_ENDS_WITH_FLAT = re.compile(rf"(?:{_FLAT}|\)|{_HOUSE}|번지)$")

_STREETS = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Parkway"
    "|Pkwy|Highway|Hwy|Way|Circle|Cir|Loop|Trail|Trl|Plaza|Crescent|Cres|Close|Grove|Gardens|Mews|Alley|Row|Turnpike|Pike|Crossing|Path"
)
_STATES = "A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
ENGLISH = (
    rf"(?<![A-Za-z0-9$.,-])[0-9]{{1,5}}[A-Z]? (?:[NSEW]\.? )?(?:[A-Z0-9][A-Za-z0-9'-]{{0,15}} ){{1,3}}(?:{_STREETS})\.?(?: [NS][EW]?)?"
    rf"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|#)\.? ?#?[A-Za-z0-9-]{{1,6}})?"
    rf"(?:, ?[A-Z][A-Za-z.]{{1,15}}(?: [A-Z][A-Za-z]{{1,15}}){{0,2}})?(?:,? (?:{_STATES}))?"
    rf"(?:,? (?:[0-9]{{5}}(?:-[0-9]{{4}})?|[A-Z]{{1,2}}[0-9][A-Z0-9]? [0-9][A-Z]{{2}}))?(?![A-Za-z0-9])"
)
ENGLISH_ZIP = (  # whatever the street is called, where state and ZIP code follow
    rf"(?<![A-Za-z0-9$.,-])[0-9]{{1,5}} (?:[A-Z0-9][A-Za-z0-9.'-]{{0,15}} ?){{1,5}}"
    rf"(?:, (?:Apt|Suite|Ste|Unit|Floor|Fl|#)\.? ?#?[A-Za-z0-9-]{{1,6}})?"
    rf", [A-Z][A-Za-z.]{{1,15}}(?: [A-Z][A-Za-z]{{1,15}}){{0,2}},? (?:{_STATES}),? [0-9]{{5}}(?:-[0-9]{{4}})?(?![A-Za-z0-9])"
)
# Korean ones in Latin letters: 101-dong 502-ho, 12 Teheran-ro 7-gil, Gangnam-gu, Seoul, Republic of Korea 06236
_ROMAN_CITIES = (
    "Seoul|Busan|Daegu|Incheon|Gwangju|Daejeon|Ulsan|Sejong|Jeju|Suwon|Seongnam|Goyang|Yongin|Bucheon|Gyeonggi|Gangwon"
    "|Chungcheong(?:nam|buk)|Chung(?:nam|buk)|Jeolla(?:nam|buk)|Jeon(?:nam|buk)|Gyeongsang(?:nam|buk)|Gyeong(?:nam|buk)"
)
_ROMAN_AREA = rf"(?:[A-Z][a-z]{{1,15}}-(?:gu|si|gun|eup|myeon|do)|(?:{_ROMAN_CITIES})(?:-(?:si|do))?(?: City)?)"
_ROMAN_STREET = r"[A-Z][A-Za-z0-9]{1,20}(?:-?daero|-ro|-gil)(?: ?[0-9]{1,4}(?:beon|[ga]a)?-?gil)?|[A-Z][a-z]{1,15}-(?:dong|ri|[0-9]ga)"
_ROMAN_UNIT = (
    r"(?:[0-9]{1,4}-(?:dong|ho)|(?:[Aa]pt|APT|[Uu]nit|[Rr]oom|[Rr]m|[Ss]uite|#)\.? ?#?[0-9]{1,4}(?:-[0-9]{1,4})?"
    r"|B?[0-9]{1,2}(?:F|/F|(?:st|nd|rd|th) [Ff]loor))"
)
_ROMAN_END = r"(?:,? [0-9]{5})?(?:,? (?:(?:Republic of|South) )?Korea)?(?:,? [0-9]{5})?(?![A-Za-z0-9-])"
ROMAN = (
    rf"(?<![A-Za-z0-9.-])(?:(?:{_ROMAN_UNIT},? ){{0,3}}[0-9]{{1,5}}(?:-[0-9]{{1,4}})?,? (?:{_ROMAN_STREET})(?:,? {_ROMAN_AREA}){{1,4}}"
    rf"|{_ROMAN_AREA}(?:,? {_ROMAN_AREA}){{0,2}},? (?:{_ROMAN_STREET}),? [0-9]{{1,5}}(?:-[0-9]{{1,4}})?(?:,? {_ROMAN_UNIT}){{0,3}})"
    rf"{_ROMAN_END}"
)


def _korean(text: str, start: int, end: int, before: Before) -> Hit | None:
    found = text[start:end]
    if _ENDS_WITH_FLAT.search(found) is None and _UNIT.match(text[end : end + 6]) is not None:
        return None
    label = re.match(_LABEL, found)
    return Hit(start + (label.end() if label is not None else 0), end, "address", 0.85)


_PLACED = re.compile(
    r"(?i)(?:address|live|lives|lived|living|reside|ship|deliver|office|located|house|home|moved?|mail|send|visit|at|from"
    r"|to|is|:)[\"'` :(|]*(?:it |us |me |to |at |in )*$"
)
_WHOLE_ENGLISH = re.compile(rf"(?:{_STREETS})\.?$")


def _sure(text: str, start: int, end: int, before: Before) -> Hit | None:
    return Hit(start, end, "address", 0.85)


def _english(text: str, start: int, end: int, before: Before) -> Hit | None:
    """`5 Star Place` is none: a town, a flat or a word before it must say so."""
    if _WHOLE_ENGLISH.search(text[start:end]) is not None and _PLACED.search(before(start)) is None:
        return None
    return Hit(start, end, "address", 0.8)


ON_PLAIN: Sequence[Token] = (
    Token("address", KOREAN, _korean, ignore_case=False, after=6),
    Token("address", LABELLED, _korean, ignore_case=False, after=6, lead=24),
    Token("address", ENGLISH, _english, ignore_case=False),
    Token("address", ENGLISH_ZIP, _sure, ignore_case=False),
    Token("address", ROMAN, _sure, ignore_case=False),
)
LONGEST = 160
