"""Words before and after a number that say what it is, and words that say what it is not."""

from __future__ import annotations

import re

AFTER = 16  # characters after a number that are read

# Between a label and its number: `전화번호는 `, `"phone": "`, `| 연락처 | `, `order no. #`
_JOIN = (
    r"[\s\"'`*_|(\[{<#:=>→\-.,]*(?:(?:번호|코드|넘버|아이디|number|num|no|nr|code|id|is|was|are|my|the|were)\b[\s\"'`*_|:=#.,]*"
    r"|(?:번호|코드)?(?:은|는|이|가|을|를|도|로|의)[\s\"'`*_|:=#]+|번호[\s\"'`*_|(\[:=#]*|[a-z]{1,8}=)*[\s\"'`*_|(\[{<#:=>→\-]*$"
)


def _words(korean: str, english: str) -> str:
    return rf"(?:{korean}|(?<![a-z])(?:{english})(?![a-z]))"


_EVENTS = _words(  # what is done with a telephone too: `배송 010-1234-5678`
    "주문|운송|배송|택배|등기|제품|상품|모델|접수|예약|법인|거래|승인|결제 ?번호|쿠폰|인증|신고|공고|(?<!면)허가|사건|관리",
    "order|tracking|model|product|parcel|shipment|case|ticket|item|transaction|booking|claim|confirmation|permit|reference",
)
_THINGS = _words(
    "송장|바코드|품번|품목|시리얼|일련|제조|로트|문서|특허|출원|판례|버전|재고|부품"
    "|(?<!현금)영수증|세금계산서|사번|학번|군번"
    "|복권|당첨|좌표|위도|경도|금액|가격|매출|합계|총액|조회수|타임스탬프|관리번호",
    "invoice|serial|part|barcode|timestamp|version|build|commit|doi|patent|lot|batch|docket|voucher|meter|engine|chassis|specimen"
    "|isbn|issn|ean|upc|gtin|sku|s/n|p/n|ref|receipt|coupon|page|port|epoch|lat|lon|price"
    "|total|asin|imei|vin|article",
)
_OTHER = rf"(?:{_EVENTS}|{_THINGS})"
_OTHER_NEAR = re.compile(_OTHER + _JOIN)
_OTHER_NUMBER = re.compile(rf"(?:{_THINGS}|{_EVENTS}[ _-]?(?:번호|코드|넘버|아이디|(?:number|num|no|nr|id|code)(?![a-z])|#)){_JOIN}")
_OTHER_LAST = re.compile(_OTHER)


def words(korean: str, english: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns of a label: anywhere, and right before the number. They are searched in lower case."""
    found = _words(korean, english)
    return re.compile(found), re.compile(found + _JOIN)


PHONE = words(
    "전화|연락|휴대|핸드폰|(?<![쿠])폰|모바일|문자|팩스|콜|카톡|현금영수증|텔|고객센터|대표번호|문의(?! ?번호)|통화|☎|📞|📱|☏",
    "fax|(?:tele)?phones?|tel|mobile|cell|call|contact|whatsapp|text|dial|hp|reach|sms|ring|hotline|voicemail|line",
)
RESIDENT = words(
    "주민|외국인|거소(?:신고)?|민증|신분증|등록 ?번호|등록증|체류",
    "resident|rrn|frn|arc|alien|foreigner|registration|jumin|national id|ssn",
)
CORPORATE = words("법인", "corporate|corporation")
BUSINESS = words("사업자|상호|세금계산서|공급자|공급받는", "business|brn|company registration|tax id|vat")
REGISTERED = words("사업자|상호|공급자|공급받는|등록 ?번호", "business|brn|registration|tax id|vat")
LICENCE = words("면허", "licen[cs]e(?! plate)|dl|driver|drivers|driving")
BANK_NAMES = (
    "국민|신한|우리|하나|기업|농협|수협|신협|새마을금고|새마을|우체국|카카오|토스"
    "|케이뱅크|산업|씨티|제일|부산|대구|아이엠|광주|전북|경남|제주|저축"
)
ACCOUNT = words(
    rf"계좌|(?:입금|송금|이체|환불|납부)(?! ?번호)|예금|통장|(?:{BANK_NAMES})(?:은행|뱅크)|농협|신협|수협|새마을금고|우체국|카카오뱅크"
    r"|카뱅|케뱅|토뱅|토스뱅크|토스|케이뱅크|(?<!혈액)(?<!골수)(?<!대혈)(?<!문제)은행|뱅크"
    r"|\bkb|\bibk|\bnh|\bsc제일|국민|신한|하나|기업",
    "(?<!ledger )accounts?|acct|a/c|bank|deposit|transfer|wire|iban|remit|kb|ibk|nh|woori|shinhan|hana|kookmin|refund",
)
ACCOUNT_AFTER = re.compile(
    rf"^[\s\"'`),.|/]*(?:\(\s*)?(?:(?:{BANK_NAMES})(?:은행|뱅크|중앙회)?(?![가-힣])|농협|신협|계좌|통장|예금주|(?:으?로|에|앞으로)\s*(?:입금|송금|이체|보내))"
)
CARD = words("카드|신용|체크|결제 ?수단", "card|visa|mastercard|amex|credit|debit|cc|pan|payment")
PASSPORT = words("여권", "passports?")
SSN = words("사회보장|사회보험", "ssn|social security|social|ss|itin|taxpayer|tax id|tin")
AADHAAR = words("아드하르|आधार", "aadhaar|aadhar|uidai|uid")
MY_NUMBER = words("マイナンバー|個人番号|마이넘버|마이 넘버", "my number|mynumber|individual number")
SIN = words("캐나다", "sin|social insurance")
TFN = words("호주", "tfn|tax file")
NHS = words("영국", "nhs|national health")
PESEL = words("폴란드", "pesel")
CPF = words("브라질", "cpf|cadastro")
BIRTH = words("생년월일|생일|출생|태어", "birth|dob|born|birthday|birthdate")
PLATE = words(
    "차량|(?:내|제|우리|본인|회사|중고|렌터|렌트|승용|화물) ?차(?:은|는|를|가)?(?![가-힣])|차 ?번호|차 ?넘버|번호판"
    "|자동차|주차|자가용|차는|차가",
    "plate|vehicle|car|licence plate|license plate|parking",
)
CUSTOMS = words("통관|관세|해외직구|직구", "customs|pccc|clearance")

Label = tuple[re.Pattern[str], re.Pattern[str]]


def named(before: str, label: Label) -> bool:
    """Whether a label is among the characters before (lower case), and no word of another thing between."""
    last = -1
    for found in label[0].finditer(before):
        last = found.end()
    return last >= 0 and not any(found.start() >= last for found in _OTHER_LAST.finditer(before, max(last - 1, 0)))


def labelled(before: str, label: Label) -> bool:
    """Whether the label is right before the number."""
    return label[1].search(before) is not None


_FOLLOWS = re.compile(r"[ \t]{0,2}(?:[(\[][ ]?|,? ?(?:is|was|이|가|은|는) (?:(?:my|the|our|his|her|their|제|내) )?)")


def follows(after: str, label: Label) -> bool:
    """Whether the label is right behind the number: `110-123-456789 (입금계좌)`, ` is my account`."""
    lead = _FOLLOWS.match(after)
    return lead is not None and label[0].match(after, lead.end()) is not None


def other(before: str) -> bool:
    """Whether the number is called something else: `주문번호: `, `order no. `."""
    return _OTHER_NEAR.search(before) is not None


def other_number(before: str) -> bool:
    """The same, and in so many words: of `주문번호 ` and `주문 ` only the first. For what has a shape that little else has."""
    return _OTHER_NUMBER.search(before) is not None


_CALLED = re.compile(  # 혈액번호는 , `sample no. `, "member_id": ", job #
    r"(?:((?:[가-힣]{2,10} )?등록|[가-힣]{2,10}) ?(?:번호|코드|넘버|아이디|id)(?:은|는|이|가|도|로)?"
    r"|(?<![a-z])([a-z]{3,15})(?:[ _.-]?(?:number|num|no|nr|id|code)\b\.?| ?#)(?: (?:is|was))?)[\s\"'`*_|(\[)\]:=#.]*$"
)
_PERSONS = re.compile(
    "신생아|아기|아동|보호자|환자|학생|회원|고객|수험|사원|직원|가입|피보험|수급|본인|가족|자녀|배우자|부모|아이|개인|고유|식별"
)
_ANYBODYS = frozenset(  # words before `number` that say whose it is, and not what
    [
        *("the", "this", "that", "your", "his", "her", "their", "our", "its", "new", "old", "same", "right", "wrong", "correct", "full"),
        *("whole", "following", "other", "another", "first", "second", "last", "personal", "private", "real", "actual", "valid", "and"),
        *("home", "work", "office", "house", "business", "direct", "main", "local", "free", "support", "service", "care", "sales", "desk"),
        *("emergency", "help", "helpline", "landline", "primary", "secondary", "alternate", "backup", "callback", "daytime", "evening"),
        *("store", "shop", "clinic", "hospital", "school", "hotel", "restaurant", "company", "reception", "korean", "american", "foreign"),
    ]
)


def called_else(before: str, label: Label) -> bool:
    """Whether what stands right before is some other number's name: `혈액번호 `, `고객번호: `, `meter no. `."""
    found = _CALLED.search(before)
    return found is not None and found[2] not in _ANYBODYS and label[0].search(found[0]) is None


def called_a_thing(before: str, label: Label) -> bool:
    """The same, and it is no person who has the number: `항공권번호 `, not `환자번호 `."""
    found = _CALLED.search(before)
    return found is not None and _PERSONS.search(found[0]) is None and called_else(before, label)


def other_near(before: str) -> bool:
    """Whether a word of another thing is within 20 characters before."""
    return _OTHER_LAST.search(before[-20:]) is not None
