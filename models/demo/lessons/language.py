"""Small translations, opposites, colours, days and months.

Whole although long: it is tables of words and wordings, and dividing them would part the facts from their questions.
"""

from lessons.core import Topic
from lessons.wordings import TELL, WHAT

WORDS = [
    line.split("|")
    for line in """\
apple|사과
water|물
book|책
house|집
dog|개
cat|고양이
friend|친구
school|학교
teacher|선생님
student|학생
mother|어머니
father|아버지
child|아이
tree|나무
flower|꽃
sun|태양
moon|달
star|별
sky|하늘
sea|바다
mountain|산
river|강
rain|비
snow|눈
wind|바람
fire|불
rice|쌀
bread|빵
milk|우유
egg|달걀
fish|물고기
meat|고기
fruit|과일
salt|소금
coffee|커피
tea|차
car|자동차
train|기차
airplane|비행기
ship|배
bicycle|자전거
road|길
door|문
window|창문
chair|의자
table|탁자
clock|시계
phone|전화
computer|컴퓨터
paper|종이
pencil|연필
money|돈
time|시간
today|오늘
tomorrow|내일
yesterday|어제
morning|아침
evening|저녁
night|밤
spring|봄
summer|여름
autumn|가을
winter|겨울
red|빨강
blue|파랑
yellow|노랑
green|초록
white|하양
black|검정
love|사랑
heart|마음
dream|꿈
music|음악
song|노래
movie|영화
hospital|병원
doctor|의사
market|시장
library|도서관
city|도시
country|나라
world|세계
peace|평화
name|이름
hand|손
eye|눈동자
nose|코
mouth|입
ear|귀
good morning|좋은 아침입니다
good night|안녕히 주무세요
thank you|감사합니다
I am sorry|미안합니다
nice to meet you|만나서 반갑습니다
see you tomorrow|내일 봐요
happy birthday|생일 축하합니다
congratulations|축하합니다
I love you|사랑합니다
I am hungry|배고파요
where is the station|역이 어디예요
how much is it|얼마예요
please help me|도와주세요
welcome|환영합니다
long time no see|오랜만이에요
have a good day|좋은 하루 보내세요
I do not know|모르겠습니다
it is delicious|맛있어요
open source|오픈 소스
artificial intelligence|인공지능""".splitlines()
]

OPPOSITES = [
    line.split("|")
    for line in """\
hot|cold|뜨겁다|차갑다
big|small|크다|작다
long|short|길다|짧다
high|low|높다|낮다
fast|slow|빠르다|느리다
new|old|새것|헌것
good|bad|좋다|나쁘다
rich|poor|부유하다|가난하다
happy|sad|기쁘다|슬프다
strong|weak|강하다|약하다
light|dark|밝다|어둡다
open|closed|열다|닫다
full|empty|가득|텅
early|late|이르다|늦다
easy|difficult|쉽다|어렵다
clean|dirty|깨끗하다|더럽다
wide|narrow|넓다|좁다
deep|shallow|깊다|얕다
near|far|가깝다|멀다
up|down|위|아래
left|right|왼쪽|오른쪽
inside|outside|안|밖
first|last|처음|마지막
win|lose|이기다|지다
buy|sell|사다|팔다
start|end|시작|끝
day|night|낮|밤
war|peace|전쟁|평화
question|answer|질문|대답
true|false|참|거짓""".splitlines()
]

COLOURS = [
    line.split("|")
    for line in """\
the sky|blue|하늘|파란색
grass|green|풀|초록색
snow|white|눈|하얀색
coal|black|석탄|검은색
a banana|yellow|바나나|노란색
a strawberry|red|딸기|빨간색
a carrot|orange|당근|주황색
chocolate|brown|초콜릿|갈색
an eggplant|purple|가지|보라색
milk|white|우유|하얀색
blood|red|피|빨간색
a lemon|yellow|레몬|노란색""".splitlines()
]

DAYS = [
    ("Monday", "월요일"),
    ("Tuesday", "화요일"),
    ("Wednesday", "수요일"),
    ("Thursday", "목요일"),
    ("Friday", "금요일"),
    ("Saturday", "토요일"),
    ("Sunday", "일요일"),
]
MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"]

_pairs = tuple({"en": en, "ko": ko} for en, ko in WORDS)
_both_ways = [(a, b) for pair in OPPOSITES for a, b in (pair[:2], pair[1::-1])]
_both_ways_ko = [(a, b) for pair in OPPOSITES for a, b in (pair[2:], pair[:1:-1])]

TOPICS = (
    Topic(
        "to_korean",
        "en",
        "{ko}",
        (
            "[How do you say|How do I say|How would you say|How can I say] ['{en}'|\"{en}\"|{en}] in Korean?",
            "[Translate|Please translate|Put|Turn] ['{en}'|\"{en}\"|{en}] [to|into] Korean.",
            "[What is|What's] ['{en}'|\"{en}\"|{en}] in Korean?",
            "['{en}'|\"{en}\"|{en}] in Korean[?| please]",
            "Korean for ['{en}'|\"{en}\"|{en}]?",
            "[What is the Korean word for|What is the Korean for|Give me the Korean for] ['{en}'|\"{en}\"|{en}]?",
            "Translate [to|into] Korean: {en}",
            "English to Korean: {en}",
            "Say ['{en}'|\"{en}\"] in Korean.",
            "How is ['{en}'|\"{en}\"|{en}] written in Korean?",
            "What do Koreans say for '{en}'?",
            "I want to say '{en}' in Korean. [How do I do that|What is it]?",
            "How do Koreans call '{en}'?",
        ),
        (
            'What would a Korean say for "{en}"?',
            "I want to write '{en}' in Korean. How?",
        ),
        _pairs,
        weight=3.4,
    ),
    Topic(
        "to_english",
        "en",
        "{en}",
        (
            "What does ['{ko}'|\"{ko}\"|{ko}] mean[| in English]?",
            "[Translate|Please translate|Put|Turn] ['{ko}'|\"{ko}\"|{ko}] [to|into] English.",
            "[What is|What's] ['{ko}'|\"{ko}\"|{ko}] in English?",
            "How do you say ['{ko}'|\"{ko}\"|{ko}] in English?",
            "['{ko}'|\"{ko}\"|{ko}] in English[?| please]",
            "English for ['{ko}'|\"{ko}\"|{ko}]?",
            "Translate [to|into] English: {ko}",
            "Korean to English: {ko}",
            "What is the meaning of ['{ko}'|\"{ko}\"|{ko}]?",
            "The Korean word ['{ko}'|\"{ko}\"|{ko}] means what[| in English]?",
            "[Give|Show] me the [English|English translation|translation] [of|for] ['{ko}'|{ko}].",
            "What is the English [meaning|word|translation] [of|for] ['{ko}'|{ko}]?",
            "I [read|heard|found] [the Korean word |the word |]'{ko}'[| on a sign| in Seoul]. What [does it mean|is it in English]?",
            "Someone said '{ko}' to me. What does [it|that] mean[| in English]?",
            "Tell me [what|in English what] ['{ko}'|{ko}] means.",
            "[Tell me the meaning|The meaning] of the word ['{ko}'|{ko}].",
        ),
        (
            "I saw the word '{ko}' in Korea. What does it mean in English?",
            "Tell me the English meaning of {ko}.",
        ),
        _pairs,
        weight=2.4,
    ),
    Topic(
        "to_english",
        "ko",
        "{en}",
        (
            "['{ko}'|\"{ko}\"|{ko}], 영어로 [뭐야|뭐예요|무엇입니까|어떻게 말해]?",
            "{ko:을} 영어로 [번역해줘|번역해 주세요|번역하면|바꿔 줘|말해 줘|뭐라고 해|뭐라고 해요|뭐라고 합니까|어떻게 말해요].",
            "[{ko:'을}|{ko:\"을}] 영어로 [번역해줘|번역해 주세요|옮겨 줘|말해 주세요].",
            "{ko:은} 영어로 [뭐야|뭐예요|무엇인가요|어떻게 말해요].",
            "{ko} 영어로[?| 뭐야?| 알려줘| 번역]",
            "영어로 [번역해 줘|번역|번역해 주세요|옮겨 줘]: {ko}",
            "['{ko}'|\"{ko}\"]의 영어 [단어는|표현은|뜻은] [뭐야|뭐예요|무엇인가요]?",
            "한국어 '{ko}'[의 영어는|를 영어로]?",
            f"'{{ko}}'라는 [말|단어|표현][은|을] 영어로 [{WHAT}]?",
            "[영어로는|영어로] ['{ko}'|{ko:을}] [뭐라고|어떻게] [하나요|하죠|해요|말하나요|말하죠|쓰나요|부르나요]?",
            "{ko:을} 영어로 [쓰려면|표현하려면|하려면] [어떻게 하죠|뭐라고 해요|어떻게 해요|뭐라고 하나요]?",
            f"{{ko:은}} 영어로 [{WHAT}]?",
            f"{{ko:이}} 영어로 [뭔지|무엇인지] [{TELL}].",
            "[미국|영국] [사람|친구]에게 {ko:을} [뭐라고 하죠|뭐라고 말해요|어떻게 말하나요|말하고 싶어요]?",
            f"'{{ko}}'의 영어 [단어를|표현을|뜻을] [{TELL}].",
        ),
        (
            "영어로는 '{ko}'라는 말을 어떻게 하나요?",
            "외국인 친구에게 {ko:을} 영어로 말하려면 뭐라고 하죠?",
        ),
        _pairs,
        weight=3.2,
    ),
    Topic(
        "to_korean",
        "ko",
        "{ko}",
        (
            "['{en}'|\"{en}\"|{en}], 한국어로 [뭐야|뭐예요|무엇입니까]?",
            "{en:을} 한국어로 [번역해줘|번역해 주세요|번역하면|바꿔 줘|말해 줘|뭐라고 해|뭐라고 해요|뭐라고 합니까].",
            "[{en:'을}|{en:\"을}] [한국어|우리말]로 [번역해줘|번역해 주세요|옮겨 줘].",
            "{en:은} 한국어로 [뭐야|뭐예요|무엇인가요].",
            "{en} [한국어로|우리말로][?| 뭐야?| 알려줘| 번역]",
            "한국어로 [번역해 줘|번역|번역해 주세요|옮겨 줘]: {en}",
            "['{en}'|\"{en}\"|{en}]의 뜻[은|이] [뭐야|뭐예요|무엇인가요]?",
            "['{en}'|\"{en}\"|{en}], 무슨 뜻[이야|이에요|인가요|입니까]?",
            "영어 단어 {en:은} 무슨 [뜻이야|뜻이에요|뜻입니까]?",
            f"['{{en}}'|{{en:이}}] [무슨 말인지|뭔지] [{TELL}].",
            f"영어 '{{en}}'[은|는] 한국어로[는|] [{WHAT}]?",
            f"'{{en}}'[라는|라고 하는] [말|단어][은|의 뜻은] [{WHAT}]?",
            "미국 친구가 '{en}'라고 [했어요|하던데|말했는데]. [무슨 뜻이죠|한국어로는 뭐예요|한국어로 뭐죠|무슨 뜻이에요]?",
            f"'{{en}}'의 뜻을 [한국어로|우리말로|] [{TELL}].",
            "{en:은} 무슨 [뜻이죠|뜻일까요|뜻인가요]?",
            "한국어로는 {en:을} [뭐라고|어떻게] [하나요|하죠|해요]?",
        ),
        (
            "{en:이} 무슨 뜻인지 한국어로 설명해 줄래?",
            "영어로 '{en}'라고 하던데 한국어로는 뭐죠?",
        ),
        _pairs,
        weight=2.4,
    ),
    Topic(
        "opposite",
        "en",
        "The opposite of {a} is {b}.",
        (
            "[What is|What's|Tell me|Name|Give me|Say] the opposite of ['{a}'|\"{a}\"|{a}]?",
            "[Opposite|The opposite] of ['{a}'|{a}]?",
            "[What word is|Which word is] the opposite of ['{a}'|{a}]?",
            "['{a}'|{a}] is the opposite of what?",
            "What is the antonym of ['{a}'|{a}]?",
            "{a} - opposite?",
            "Do you know the opposite of ['{a}'|{a}]?",
            "Which word means the opposite of ['{a}'|{a}]?",
            "[Find|Give me|Please find] [the|a] word [with|that has] the opposite meaning of ['{a}'|{a}].",
            "I need the opposite of ['{a}'|{a}].",
        ),
        (
            "Please give me the word that is the opposite of '{a}'.",
            "I am looking for the opposite of {a}. What is it?",
        ),
        tuple({"a": a, "b": b} for a, b in _both_ways),
        weight=1.2,
    ),
    Topic(
        "opposite",
        "ko",
        "'{a}'의 반대말은 '{b}'입니다.",
        (
            "['{a}'|{a}]의 반대말[은|이] [뭐야|뭐예요|무엇인가요|무엇입니까|뭐지]?",
            "['{a}'|{a}]의 반대말을 [알려줘|알려 주세요|말해 줘|말해 주세요].",
            "['{a}'|{a}] 반대말[?|은?| 뭐야?| 알려줘]",
            "['{a}'|{a}], 반대말[은|이] [뭐야|뭐예요]?",
            "['{a}'|{a}]의 반대[는|되는 말은] [뭐야|뭐예요|무엇인가요]?",
            "['{a}'|{a}]의 반의어[는|를 알려줘|가 뭐예요]?",
            f"['{{a}}'|{{a}}]의 반대말[을|이|이 무엇인지|이 뭔지 좀] [{TELL}].",
            f"['{{a}}'|{{a}}][라는 말|라는 단어|]의 반대말[은|이] [{WHAT}]?",
            f"['{{a}}'|{{a}}], 반대말[은|을] [{TELL}].",
            f"['{{a}}'|{{a}}]의 반대되는 [말을|단어를] [{TELL}].",
            f"['{{a}}'|{{a}}][와|과] 반대인 [말은|단어는] [{WHAT}]?",
            f"{{a}}, 이 [단어의|낱말의] [반대는|반의어는] [{WHAT}]?",
            f"{{a}}, 이것[과|의] 반대[인 말은|되는 말은|는] [{WHAT}]?",
            f"['{{a}}'|{{a}}], [그|이런] 말의 [반대는|반의어가] [{WHAT}]?",
            "[반대말 문제|반대말 퀴즈|반의어]: {a}[|. 답은?|, 정답은?]",
            f"{{a:이라}}는 말이 있는데 반대말[을|은] [{TELL}].",
            f"['{{a}}'|{{a}}] [하면|의] 반대로 [생각나는|쓰는] 말은 [{WHAT}]?",
        ),
        (
            "'{a}'의 반대말이 뭔지 가르쳐 줄래요?",
            "{a}, 이 말의 반대말을 알고 싶어요.",
        ),
        tuple({"a": a, "b": b} for a, b in _both_ways_ko),
        weight=1.2,
    ),
    Topic(
        "colour",
        "en",
        "The color of {x} is {c}.",
        (
            "What [color|colour] is {x}?",
            "[What is|What's|Tell me|Name] the [color|colour] of {x}?",
            "{x} is [what|which] [color|colour]?",
            "Which [color|colour] is {x}?",
            "What [color|colour] does {x} have?",
            "The [color|colour] of {x}?",
            "Do you know the [color|colour] of {x}?",
            "[Tell me|I want to know] what [color|colour] {x} [has|is].",
            "I am [drawing|coloring] {x}. [Which|What] color [do I need|is it|is right]?",
            "What color is {x} [normally|most of the time]?",
            "I want to [draw|color] {x}. [What|Which] [color|paint|pencil] [should I take|do I use|is best]?",
            "[Should I|I have to] paint {x}[:|,] [which|what] color is it?",
        ),
        ("Can you tell me what color {x} usually is?", "I want to paint {x}. Which color should I use?"),
        tuple({"x": x, "c": c} for x, c, _, _ in COLOURS),
        weight=0.9,
    ),
    Topic(
        "colour",
        "ko",
        "{x}의 색은 {c}입니다.",
        (
            "{x:은} 무슨 [색이야|색이에요|색인가요|색입니까|색깔이야|색깔이에요]?",
            "{x}의 [색은|색깔은|색이] [뭐야|뭐예요|무엇인가요]?",
            "{x} [색깔|색] [뭐야|알려줘|알려 주세요]?",
            "{x:이} 무슨 색[이야|이에요|인지 알려줘]?",
            "{x:은} 어떤 [색이야|색이에요|색깔인가요]?",
            f"{{x:이}} 무슨 [색인지|색깔인지] [{TELL}].",
            f"{{x}}의 [색깔은|색은] [{WHAT}]?",
            "{x:을} [칠하려는데|색칠하려면|그릴 때] [무슨|어떤] 색[이 필요해|을 쓰죠|으로 하죠|을 써야 해요]?",
            "{x:은} 대체로 무슨 색[이죠|인가요|이에요|일까요]?",
            "{x:을} [그리고 싶은데|그리는데|색칠하는데|그리다가 물어봐요.] [무슨|어떤] "
            "[색이죠|색으로 하죠|색을 쓸까요|색이 맞아요|색연필로 칠하죠]?",
            "{x} 그림[을|은] [어떤|무슨] [색으로|물감으로] [칠해요|칠할까요|칠하나요|칠하면 되죠]?",
            f"{{x:은}} [흔히|원래|대개|주로] [무슨|어떤] [색인지|색깔인지|색이고 뭔지] [{TELL}].",
            "{x:은} [흔히|원래|대개|주로] [무슨|어떤] 색[이에요|이야|일까|인가요]?",
        ),
        ("{x:은} 보통 무슨 색인지 말해 줄래요?", "{x:을} 그리려는데 어떤 색으로 칠해야 하죠?"),
        tuple({"x": x, "c": c} for _, _, x, c in COLOURS),
        weight=0.9,
    ),
    Topic(
        "day_after",
        "en",
        "The day after {a} is {b}.",
        (
            "[What day|Which day] [comes after|is after|follows] {a}?",
            "[What is|What's] the day after {a}?",
            "Today is {a}. What day is [tomorrow|it tomorrow]?",
            "The day after {a}?",
            "Tell me the day after {a}.",
            "After {a} comes [what|which] day?",
            "[If|When] it is {a}[| today], what day [comes next|is next|will it be tomorrow|will it be the day after]?",
            "What comes next after {a}?",
            "Yesterday was not {a}; today is. Tomorrow will be which day?",
            "Which day will it be after {a}?",
        ),
        ("If today is {a}, which day will tomorrow be?", "What is the next day after {a}?"),
        tuple({"a": DAYS[i][0], "b": DAYS[(i + 1) % 7][0]} for i in range(7)),
        weight=0.4,
    ),
    Topic(
        "day_after",
        "ko",
        "{a} 다음 날은 {b}입니다.",
        (
            "{a} 다음 [날은|날이] [뭐야|무슨 요일이야|무슨 요일이에요|무슨 요일입니까]?",
            "{a} 다음은 무슨 요일[이야|이에요|인가요]?",
            "오늘이 {a}이면 내일은 무슨 요일[이야|이에요|인가요]?",
            "{a}의 다음 날[은|을 알려줘]?",
            "{a} 다음 요일[은|은 뭐야|을 말해 줘]?",
            f"{{a}} 다음 [날이|요일이] [무엇인지|뭔지|무슨 요일인지] [{TELL}].",
            "오늘이 {a}인데 내일은 [무슨 요일이죠|무슨 요일일까요|무슨 요일인가요|무슨 요일이지]?",
            f"{{a}}의 [다음 날은|다음 요일은|다음은] [{WHAT}]?",
            f"내일이 무슨 요일인지 [{TELL}]. 오늘은 {{a}}[이야|예요].",
            "{a:이} 지나면 무슨 요일[이 오죠|이죠|이 와요]?",
        ),
        ("오늘은 {a}인데 내일이 무슨 요일인지 알려 줄래요?", "{a} 다음에 오는 요일은 무엇이죠?"),
        tuple({"a": DAYS[i][1], "b": DAYS[(i + 1) % 7][1]} for i in range(7)),
        weight=0.4,
    ),
    Topic(
        "month",
        "en",
        "The {n} month is {m}.",
        (
            "[What is|What's|Name|Tell me] the {n} month[| of the year]?",
            "Which month is the {n}[| one| of the year]?",
            "The {n} month of the year?",
            "Which month comes {n}?",
            "What month is number {d}[| of the year]?",
        ),
        ("Do you know which is the {n} month of a year?", "Counting the months, which one is the {n}?"),
        tuple({"n": n, "m": m, "d": str(i + 1)} for i, (n, m) in enumerate(zip(ORDINALS, MONTHS, strict=True))),
        weight=0.5,
    ),
    Topic(
        "month",
        "ko",
        "{n}월은 영어로 {m}입니다.",
        (
            "{n}월[은|을] 영어로 [뭐야|뭐예요|뭐라고 해요|어떻게 말해요|무엇입니까]?",
            "{n}월 영어로[?| 뭐야?| 알려줘]",
            "영어로 {n}월[은|을 말해 줘|을 알려 주세요]?",
            "{n}월의 영어 이름[은|을 알려줘|이 뭐예요]?",
            f"{{n}}월[이|을] 영어로 [뭔지|무엇인지|어떻게 쓰는지] [{TELL}].",
            f"{{n}}월은 영어로 [{WHAT}]?",
            "{n}월을 영어로 [뭐라고|어떻게] [하나요|하죠|쓰나요|부르죠|써요]?",
            "영어에서 {n}월은 [뭐라고|어떻게] [하나요|하죠|쓰나요|불러요]?",
        ),
        ("{n}월을 영어로는 뭐라고 부르나요?", "영어 달력에서 {n}월은 뭐라고 쓰죠?"),
        tuple({"n": str(i + 1), "m": m} for i, m in enumerate(MONTHS)),
        weight=0.5,
    ),
)
