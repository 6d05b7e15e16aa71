"""Questions that the model is not taught, and its honest answer to them; and repeating what it is told."""

import random

from lessons.core import Language, Question, Word, choose
from lessons.wordings import TELL, WHAT
from lessons.world import COUNTRIES

DO_NOT_KNOW: dict[Language, str] = {
    "en": "I am a tiny demo model and do not know that.",
    "ko": "저는 작은 데모 모델이라 그것은 모릅니다.",
}

_SUBJECTS = {
    "en": [
        "the stock market",
        "black holes",
        "the Roman Empire",
        "quantum physics",
        "photosynthesis",
        "the French Revolution",
        "tax law",
        "dinosaurs",
        "chess openings",
        "the human brain",
        "climate change",
        "the moon landing",
        "world war two",
        "the economy",
        "philosophy",
        "DNA",
        "volcanoes",
        "the Beatles",
        "football",
        "basketball",
        "an electric car",
        "insurance",
        "Napoleon",
        "Shakespeare",
        "Einstein",
        "Picasso",
        "Mozart",
        "Newton",
        "King Sejong",
        "pizza",
        "sushi",
        "kimchi",
        "yoga",
        "blockchain",
        "bitcoin",
        "Linux",
        "Excel",
        "a divorce",
        "a headache",
        "the flu",
    ],
    "ko": [
        "주식 시장",
        "블랙홀",
        "로마 제국",
        "양자 물리학",
        "광합성",
        "프랑스 혁명",
        "세법",
        "공룡",
        "체스",
        "사람의 뇌",
        "기후 변화",
        "달 착륙",
        "세계 대전",
        "경제",
        "철학",
        "유전자",
        "화산",
        "비틀즈",
        "축구",
        "농구",
        "전기차",
        "보험",
        "나폴레옹",
        "셰익스피어",
        "아인슈타인",
        "피카소",
        "모차르트",
        "뉴턴",
        "세종대왕",
        "이순신",
        "피자",
        "초밥",
        "김치",
        "요가",
        "블록체인",
        "비트코인",
        "리눅스",
        "엑셀",
        "두통",
        "감기",
    ],
}
_TAUGHT = {
    "en": (
        "What is the population of {country}?",
        "How many people live in {country}?",
        "Who is the president of {country}?",
        "Who was the [king|queen|leader|prime minister] of {country} in {year}?",
        "[Will|Does|Did] it [rain|snow] in {city} [today|tomorrow|next week|on Sunday]?",
        "[Give|Teach] me a [lesson|talk|course|long story] [on|about] {x}.",
        "[How much|What] do people in {country} [eat|pay|like|spend]?",
        "Is it [cold|hot|sunny|nice] in {city} [this week|this month|tonight]?",
        "What is the name of the [river|mountain|king|best team] in {country}?",
        "Who won the [World Cup|election|match|race|game] [in {year}|yesterday|last year]?",
        "[Explain|Tell me about|Describe|Teach me] {x}.",
        "[What is|What are|Who was|Who is] {x}?",
        "What is the capital of {made_up}?",
        "[What is|What's|Explain|Tell me about] {made_up}?",
        "How do you say '{made_up}' in Korean?",
        "Who [invented|discovered|started|wrote about] {x}?",
        "[Write|Give me] [a program|code|a Python script|an essay|a story|an email|a song] about {x}.",
        "When did {x} [begin|end|happen]?",
        "Why is {x} [important|popular|dangerous|difficult]?",
        "How do I [cook|learn|fix|buy|sell|cure|understand] {x}?",
        "What will happen in {year}?",
        "What is the [weather|time|temperature] in {city}?",
        "What [time|day|date] is it[| now| today]?",
        "What happened in {year}?",
        "How far is {city} from {country}?",
        "Recommend [a book|a movie|a restaurant|a hotel] [about {x}|in {city}].",
        "What is the best [phone|laptop|car|restaurant|university]?",
        "[Is|Will] {x} [good|bad|true|expensive]?",
        "What is the currency of {country}?",
        "What is the square root of {year}?",
        "How [old|tall|rich|fast|heavy] is {x}?",
        "Which is better, {x} or {y}?",
        "Summarize this article about {x}.",
        "Should I [buy|sell|study|try] {x}?",
        "What do you think about {x}?",
        "{made_up} {other} {made_up}?",
        "{made_up}",
        "Write a poem about {made_up}.",
        "What color is {made_up}?",
        "What is the opposite of {made_up}?",
        "How many {made_up} are in a {other}?",
    ),
    "ko": (
        "{country}의 인구[는|는 몇 명이야|가 얼마예요]?",
        "{country}에는 몇 명이 살[아|아요]?",
        "{country} 대통령[은 누구야|이 누구예요]?",
        "[{year}년|어제|작년] [월드컵|선거|경기|시합]에서 누가 이겼[어|어요|나요]?",
        "{x}에 대해 [설명해 줘|알려줘|말해 주세요|가르쳐 줘].",
        "{x:이} [뭐야|뭐예요|무엇인가요|누구야|누구예요]?",
        f"{{x}}에 [대해|대해서] [길게|자세히|] [{TELL}].",
        f"{{x:이}} [무엇인지|뭔지|누구인지] [{TELL}].",
        f"{{made_up:이}} [무엇인지|뭔지] [{TELL}].",
        f"{{made_up:은}} [{WHAT}]?",
        f"{{made_up}}의 수도가 어디인지 [{TELL}].",
        "{x} [강의|수업|강연]을 [해 줘|해 주세요|듣고 싶어|해 줄래].",
        "{year}년[에|의] {country} [왕|총리|여왕|지도자]은 누구[였어|였나요|였죠|예요]?",
        "{country} 사람들은 [무엇을|뭘] [좋아해|먹나요|먹죠|입어요]?",
        "[이번 주|다음 주|주말|내일]에 {city}[에|는] [눈이 올까|비가 오나요|더울까요|추워요]?",
        "{country} 사람들은 [휴가를|세금을|잠을] 얼마나 [써요|내나요|자죠]?",
        "{made_up}의 수도는 [어디야|어디예요|어디인가요]?",
        "{made_up:이} [뭐야|뭐예요|무엇인가요|무엇입니까]?",
        "{made_up:을} 영어로 [뭐야|뭐예요|번역해줘].",
        "{x:을} 누가 [발명했어|발견했어요|시작했나요|만들었어]?",
        "{x}에 대한 [프로그램|코드|글|이야기|메일|노래]를 [써줘|써 주세요|작성해 줘].",
        "{x:은} 언제 [시작됐어|끝났어요|일어났나요]?",
        "{x:이} 왜 [중요해|인기예요|위험한가요|어려워]?",
        "{x:은} 어떻게 [배워|고쳐요|사나요|이해해]?",
        "{year}년에는 무슨 일이 [일어날까|있었어|있었나요]?",
        "{city} [날씨|기온|시간|시각][는|가] [어때|어때요|알려줘|어떻게 돼]?",
        "지금 몇 시[야|예요|인가요]?",
        "오늘[은|이] [며칠이야|무슨 요일이야|무슨 요일이에요]?",
        "{city}에서 {country}까지 얼마나 멀[어|어요]?",
        "{city} [맛집|호텔|영화관|서점] 추천해 [줘|주세요].",
        "가장 좋은 [휴대폰|노트북|차|식당|대학교]은 뭐[야|예요]?",
        "{x:은} [좋아|나빠요|진짜야|비싸요]?",
        "{country}의 화폐[는|는 뭐야|가 뭐예요]?",
        "{year}의 제곱근은?",
        "{x:은} 얼마나 [오래됐어|커요|빨라]?",
        "{x:과} {y} 중에 뭐가 더 [좋아|좋아요|나아요]?",
        "{x}에 대한 기사를 요약해 [줘|주세요].",
        "{x:을} [사야|팔아야|배워야] [할까|할까요]?",
        "{x}에 대해 어떻게 생각[해|하세요]?",
        "{made_up} {other} {made_up}?",
        "{made_up}",
        "{made_up}에 대한 시를 써줘.",
        "{made_up:은} 무슨 색이야?",
        "{made_up}의 반대말은 뭐야?",
        "{made_up:은} 몇 {other}인가요?",
    ),
}
_HELD_OUT = {
    "en": (
        "Give me a long lecture about {x}.",
        "What is the name of the president that {country} had in {year}?",
        "How much money do people in {country} earn?",
        "Is it going to rain in {city} this weekend?",
    ),
    "ko": (
        "{x}에 대한 긴 강의를 해 줄래요?",
        "{year}년에 {country} 대통령은 누구였죠?",
        "{country} 사람들은 돈을 얼마나 버나요?",
        "이번 주말에 {city}에 비가 올까요?",
    ),
}
_REPEAT = {
    "en": (
        "[Repeat|Repeat after me|Say|Echo|Copy|Write]: {text}",
        '[Repeat|Say|Echo|Write|Print] "{text}"[.|]',
        "Please [repeat|say|write] '{text}'.",
    ),
    "ko": (
        "[따라 해 줘|따라 하세요|그대로 써 줘|반복해 줘|똑같이 말해 줘]: {text}",
        '"{text}"[라고|라고 그대로] [말해 줘|말해 주세요|써 줘|해 봐].',
        "'{text}' [따라 해 봐|반복해 줘].",
    ),
}
_SYLLABLES = {
    "en": [
        "ba",
        "ke",
        "li",
        "mo",
        "ru",
        "sta",
        "tri",
        "plo",
        "quen",
        "dor",
        "fin",
        "gal",
        "hex",
        "jun",
        "kor",
        "lum",
        "nar",
        "ost",
        "pel",
        "rix",
        "sor",
        "tam",
        "ul",
        "vex",
        "wim",
        "yor",
        "zan",
        "ick",
        "eth",
        "ay",
    ],
    "ko": list(
        "가나다라마바사아자차카타파하거너더러머버서어저처고노도로모보소오조초구누두루무부수우주추기니디리미비시이지키티피히강남담람방산장천한금문성동호진현영재준"
    ),
}
_LOOSE = {
    "en": [
        "red",
        "green",
        "old",
        "new",
        "small",
        "river",
        "stone",
        "paper",
        "light",
        "wind",
        "seven",
        "table",
        "garden",
        "window",
        "happy",
        "quiet",
        "open",
        "model",
        "server",
        "request",
        "batch",
        "token",
        "cache",
        "gate",
        "key",
        "night",
        "fast",
        "slow",
        "north",
    ],
    "ko": [
        "빨간",
        "초록",
        "오래된",
        "새로운",
        "작은",
        "강",
        "돌",
        "종이",
        "빛",
        "바람",
        "일곱",
        "책상",
        "정원",
        "창문",
        "행복한",
        "조용한",
        "열린",
        "모델",
        "서버",
        "요청",
        "토큰",
        "열쇠",
        "밤",
        "빠른",
        "느린",
        "북쪽",
        "사람",
        "오늘",
    ],
}


def made_up(language: Language, rng: random.Random) -> str:
    """A word that means nothing."""
    word = "".join(rng.choice(_SYLLABLES[language]) for _ in range(rng.randint(2, 4)))
    return word.capitalize() if language == "en" and rng.random() < 0.6 else word


def _fill(template: str, language: Language, rng: random.Random) -> str:
    country, (x, y) = rng.choice(COUNTRIES), rng.sample(_SUBJECTS[language], 2)
    korean = language == "ko"
    return choose(template, rng).format(
        x=Word(x),
        y=Word(y),
        country=Word(country[korean]),
        city=Word(country[2 + korean]),
        year=rng.randint(1900, 2060),
        made_up=Word(made_up(language, rng)),
        other=Word(made_up(language, rng)),
    )


def unknown_question(language: Language, rng: random.Random) -> Question:
    """A question that deserves the answer that it is not known."""
    prompt = _fill(rng.choice(_TAUGHT[language]), language, rng)
    return Question(prompt, DO_NOT_KNOW[language], language, "unknown")


def held_out_unknown(language: Language, rng: random.Random, count: int = 16) -> list[Question]:
    """Questions as unknown, in wordings that are never taught."""
    templates = _HELD_OUT[language]
    return [Question(_fill(templates[i % len(templates)], language, rng), DO_NOT_KNOW[language], language, "unknown") for i in range(count)]


def repeat_question(language: Language, rng: random.Random) -> Question:
    """An order to repeat some words: it teaches the model to copy, which tools and JSON need."""
    words = [
        made_up(language, rng) if rng.random() < 0.4 else str(rng.randint(0, 9999)) if rng.random() < 0.2 else rng.choice(_LOOSE[language])
        for _ in range(rng.randint(1, 6))
    ]
    text = " ".join(words)
    return Question(choose(rng.choice(_REPEAT[language]), rng).format(text=text), text, language, "repeat")


TEMPLATES = {language: (_TAUGHT[language], _HELD_OUT[language]) for language in DO_NOT_KNOW}
