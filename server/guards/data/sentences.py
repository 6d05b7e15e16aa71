"""What is written around the values: {} is a value; in clean texts {amount} and the like are filled from made_up.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_NUMBERS = {
    "resident_number": 14, "foreigner_number": 5, "phone": 20, "card": 9, "bank_account": 9, "business_number": 7, "drivers_license": 6,
    "passport": 5, "address": 9, "email": 9, "ip": 4, "iban": 3,
}  # fmt: skip
WEIGHTS: Mapping[str, Mapping[str, int]] = {
    "ko": _NUMBERS,
    "en": {
        "phone": 20,
        "card": 12,
        "email": 14,
        "ip": 8,
        "iban": 8,
        "us_ssn": 10,
        "address": 8,
        "resident_number": 6,
        "passport": 4,
        "business_number": 3,
    },
}

HOLDING: Mapping[str, Mapping[str, Sequence[str]]] = {
    "ko": {
        "resident_number": (
            "제 주민등록번호는 {} 입니다.",
            "주민번호 {} 확인 부탁드려요",
            "본인 확인용: {} (김민수)",
            "신청인 박지영, {} , 서울 거주",
            "가입자 주민등록번호: {}\n이상 없음",
            "보험 청구서에 {} 라고 적었는데 맞나요?",
            "이름 이서준 / 주민 {}",
            "아래 번호로 조회해줘\n{}",
        ),
        "foreigner_number": (
            "외국인등록번호는 {} 입니다",
            "등록증 번호 {} 로 체류기간 조회해 주세요",
            "외국인 등록번호: {}",
            "ARC 번호 {} 입니다.",
        ),
        "phone": (
            "내 전화번호는 {} 야",
            "{} 로 연락 주세요.",
            "연락처: {}",
            "담당자 김과장 {} 내선 없음",
            "배송 기사님 번호가 {} 맞나요?",
            "문의는 {} 로 부탁드립니다",
            "어머니 핸드폰 {} 으로 문자 보내줘",
            "예약자 최유리 전화 {} 두 명",
            "T. {}",
            "{} 이 번호 저장해줘",
        ),
        "card": ("카드번호 {} 로 결제해 주세요", "법인카드 {} 유효기간 12/29", "이 카드 {} 분실 신고해줘", "결제 수단: {} 일시불"),
        "bank_account": (
            "국민은행 {} 로 입금해 주세요",
            "계좌번호 {} 예금주 김민수",
            "환불 계좌: 신한 {}",
            "카카오뱅크 {} 으로 보내줘",
            "월급 통장은 농협 {} 입니다",
            "입금계좌 {} (우리은행)",
            "송금은 하나은행 {} 로 부탁해요",
        ),
        "business_number": (
            "사업자등록번호 {} 입니다",
            "사업자번호: {}",
            "세금계산서는 사업자 {} 로 발행해 주세요",
            "상호 한빛상사, 사업자등록번호 {}",
        ),
        "drivers_license": (
            "운전면허번호 {} 입니다",
            "면허번호: {}",
            "렌터카 예약에 면허 {} 입력했어요",
            "자동차운전면허증 {} 갱신하려면?",
        ),
        "passport": ("여권번호 {} 입니다", "여권 번호: {}", "제 여권은 {} 이고 만료는 내년입니다", "항공권 예약 여권번호 {} 로 해줘"),
        "address": ("우리 집 주소는 {} 입니다", "{} 로 배송해 주세요", "배송지: {}", "사무실이 {} 로 이사했어요", "{} 근처 맛집 추천해줘"),
        "email": ("메일은 {} 로 보내주세요", "이메일: {}", "{} 계정이 잠겼어요", "담당자 {} 에게 전달해줘", "답장은 {} 으로"),
        "ip": ("접속 IP {} 에서 로그인 실패", "서버 주소 {} 로 접속해줘", "클라이언트 {} 차단 부탁", "IP: {}"),
        "iban": ("해외 송금은 IBAN {} 로 부탁합니다", "IBAN: {}", "유럽 계좌 {} 확인해줘"),
    },
    "en": {
        "resident_number": ("My Korean resident number is {}.", "RRN: {}", "Applicant Kim Minsu, {} , Seoul", "Please look up {} for me"),
        "phone": (
            "Call me at {} please",
            "My number is {}.",
            "Phone: {}",
            "You can reach Dana at {} after six",
            "Contact: {} (office)",
            "Text {} when you arrive",
            "Her mobile is {} if you need it",
        ),
        "card": ("Charge my card {} please", "Card number: {} exp 12/29", "I paid with {} and lost it", "Visa {} was declined"),
        "email": ("Write to {} please", "Email: {}", "My login {} is locked", "Forward this to {} today", "cc {} on that"),
        "ip": ("Failed login from {} at noon", "Block {} in the firewall", "The host {} does not answer", "Client IP: {}"),
        "iban": ("Please wire it to {} today", "IBAN: {}", "My account is {} in euros"),
        "us_ssn": ("My SSN is {}", "SSN: {}", "Employee social security number {} on file", "Social security {} needs an update"),
        "address": ("I live at {} now", "Ship it to {} please", "Address: {}", "Our office moved to {} last week"),
        "passport": ("My passport number is {}", "Passport: {}", "passport no. {} expires soon"),
        "business_number": ("Korean business registration number {}", "Business number: {}"),
    },
}

CLEAN: Mapping[str, Mapping[str, Sequence[str]]] = {
    "ko": {
        "price": (
            "총 금액은 {amount}원입니다.", "단가 {amount}원, 수량 {small}개, 합계 {amount}원", "매출이 {amount}원에서 {amount}원으로 늘었다", "예산 ₩{amount} (부가세 별도)",
            "계좌 이체 한도는 하루 {amount}원입니다", "카드 한도 {amount}원 초과",
        ),
        "order": (
            "주문번호 {compact}-{digits7} 배송 조회해줘", "송장번호 {digits12} 어디쯤인가요?", "운송장 {digits4}-{digits4}-{digits4} 조회", "주문번호: {digits13}",
            "접수번호 {compact}{digits6} 처리 상태", "예약번호 {letters}{digits8} 변경", "거래번호 {digits16} 영수증 재발행", "등기번호 {digits13} 도착했나요",
        ),
        "date": (
            "{day} {time} 에 시작해서 {day} 에 끝났다", "회의는 {dotted} {clock}~{clock} 입니다", "{year}년부터 {year}년까지의 통계", "{compact} 기준 재고 현황",
            "임진왜란은 1592-1598년이다", "기간: {dotted} - {dotted}", "{day}T{time}Z 로그 확인", "생산일자 {compact} 유통기한 {compact}",
        ),
        "barcode": ("바코드 {barcode} 상품 찾아줘", "ISBN {isbn} 책 있나요?", "이 제품 {barcode} 재고", "EAN {barcode}", "도서번호 {barcode} 정가 {amount}원"),
        "version": ("버전 {version} 에서 {version} 으로 올렸다", "파이썬 {version} 설치", "v{version}-rc{small} 배포", "커널 {version}-{small}-generic", "펌웨어 {version}.{small}"),
        "hash": ("커밋 {hash} 되돌려줘", "체크섬 {hash}", "요청 ID {uuid} 로그", "sha256:{hash}", "토큰 수 {number}, 시드 {digits10}"),
        "coordinate": ("위도 {lat}, 경도 {lon}", "좌표 ({lat}, {lon}) 근처", "GPS {lat} {lon} 로 안내해줘"),
        "maths": (
            "{number} + {number} = ? 계산해줘", "{float} × {small} 은 얼마야", "원주율은 3.14159265358979 이다", "표준편차 {float}, 평균 {float}", "{small}/{small} + {small}/{small}",
            "행렬 [[{small}, {small}], [{small}, {small}]] 의 행렬식", "0 1 1 0 1 0 0 1 0 1 1 0 을 십진수로", "1, 1, 2, 3, 5, 8, 13, 21, 34, 55 다음 수는?",
        ),
        "code": ("제품코드 {letters}-{digits3}-{digits4}-{digits4}", "모델명 {letters}{digits4}-{digits4}", "부품번호 {digits3}-{digits4}-{digits4}", "사번 {digits8} 권한", "쿠폰 {digits4}-{digits4}-{digits4}"),
        "law": (
            "민법 제{small}조 제{small}항", "대법원 {year}다{number} 판결", "특허 제10-{digits7}호", "개인정보 보호법 제24조의2 제1항 제1호", "법률 제{digits5}호, {dotted}. 시행",
            "출원번호 10-{year}-{digits7}",
        ),
        "score": ("결승 {small}:{small}, {small}:{small}, {small}:{small}", "학점 {float}, 석차 {small}/{number}", "조회수 {amount} 좋아요 {amount}", "토익 {digits3}점 HSK {small}급"),
        "place": ("서울에서 부산까지 {number}km", "강남역 {small}번 출구", "경기도 인구는 {amount}명이다", "서울특별시 강남구의 2024년 예산", "{small}번 버스가 세종대로를 지난다", "부산 해운대구는 바다가 있다"),
        "log": ("[{day} {time}] INFO worker-{small} 처리 {number}건 {float}ms", "epoch {epoch} 시각", "타임스탬프 {epochms}", "포트 {number} 열기", "pid={number} rss={amount}", "손실 {float} 스텝 {number}/{number}"),
        "talk": (
            "이메일 주소를 어떻게 만들어?", "주민등록번호 뒷자리는 왜 7자리야?", "전화번호 형식을 설명해줘", "계좌번호를 안전하게 보관하는 법", "일이삼사 순서대로 정리해줘", "이번 주 일요일에 이사 가요",
            "삼성전자 주가가 {amount}원이다", "공일일 시절 이야기", "사이사이에 오이를 넣어요", "여권 발급은 며칠 걸려요?", "번호는 900101-1****** 로 가려져 있어요", "@회원님 {small}번째 글이에요",
        ),
    },
    "en": {
        "price": ("The total is ${amount}.00 today", "Revenue rose from {amount} to {amount} dollars", "It costs €{amount} plus VAT", "Budget: {amount} KRW", "A bank transfer of ${amount} arrived"),
        "order": (
            "Order number {compact}-{digits7} has shipped", "Tracking number {digits12}", "Tracking 1Z{digits8}{digits8}", "Invoice no. {digits13}", "Ticket #{digits8} is open", "Booking ref {letters}{digits6}",
            "Transaction {digits16} failed", "Order {digits3}-{digits7}-{digits7}",
        ),
        "date": ("From {day} to {day}", "It ran at {time} on {day}", "The years {year}-{year}", "Backup {compact}_{compact}.tar", "{day}T{time}+09:00", "between {year} and {year}, {amount} people"),
        "barcode": ("Barcode {barcode} not found", "ISBN {isbn}", "UPC {digits12} in stock", "EAN-13: {barcode}", "SKU {digits3}-{digits3}-{digits4}"),
        "version": ("Upgrade from {version} to {version}", "Python {version} on Linux {version}-{small}", "v{version}.{small}.{small}", "numpy=={version}", "driver {digits3}.{small}.{small}"),
        "hash": ("commit {hash}", "sha256 {hash}", "request id {uuid}", "etag \"{hash}\"", "nonce {base64}", "seed {digits10}, epoch {small}"),
        "coordinate": ("at {lat}, {lon}", "lat={lat}&lon={lon}", "GPS: {lat} N {lon} E"),
        "maths": (
            "What is {number} * {number}?", "{float} / {float} = {float}", "pi is 3.141592653589793", "mean {float}, variance {float}", "x = {small}, y = {small}, z = {small}", "binary 0 1 0 1 1 0 0 1 0 1 1",
            "1 2 3 4 5 6 7 8 9 10 11 12 13", "e = 2.718281828459045", "2^64 = 18446744073709551616", "{digits3} {digits3} {digits3} are the rows",
        ),
        "code": ("Part number {digits3}-{digits4}-{digits4}", "Model {letters}-{digits3}-{digits4}", "serial {letters}{digits10}", "const MAX = {digits10};", "color #{digits6}", "item@2x.png and icon@3x.png", "npm i left-pad@{version}"),
        "law": ("Article {small}, paragraph {small}", "Case no. {year}-{digits5}", "US patent {digits7}", "RFC {digits4} section {version}", "15 U.S.C. 1681", "Directive {year}/{small}/EC"),
        "score": ("They won {small}-{small}, {small}-{small}", "Rated {float} out of 10 by {amount} users", "GPA 3.{small}, rank {small}/{number}", "Elo {digits4}-{digits4}"),
        "log": ("[{day} {time}] worker {small} took {float} ms", "timestamp {epoch}", "ts={epochms} level=info", "port {number} pid {number}", "loss {float} step {number}/{number}", "GET /items/{digits8}?page={small} 200 {number}"),
        "talk": (
            "How do I validate an email address?", "Explain the format of a phone number", "What does a credit card check digit do?", "My passport is in the drawer", "meet me @ noon", "Room {digits4}, floor {small}",
            "The Main Street festival drew {amount} people", "Windows 10 or 11?", "see section {version} of the manual", "Call of Duty sold {amount} copies", "a 10.{small}.0 release", "the address bar is broken",
        ),
    },
}  # fmt: skip
