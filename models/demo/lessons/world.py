"""Countries and their capitals, units of measure: the facts about the world."""

from lessons.core import Topic
from lessons.wordings import HOW_MUCH, TELL, WHAT

COUNTRIES = [
    line.split("|")
    for line in """\
France|프랑스|Paris|파리
Germany|독일|Berlin|베를린
Italy|이탈리아|Rome|로마
Spain|스페인|Madrid|마드리드
Portugal|포르투갈|Lisbon|리스본
the United Kingdom|영국|London|런던
Ireland|아일랜드|Dublin|더블린
the Netherlands|네덜란드|Amsterdam|암스테르담
Belgium|벨기에|Brussels|브뤼셀
Switzerland|스위스|Bern|베른
Austria|오스트리아|Vienna|빈
Poland|폴란드|Warsaw|바르샤바
the Czech Republic|체코|Prague|프라하
Hungary|헝가리|Budapest|부다페스트
Romania|루마니아|Bucharest|부쿠레슈티
Bulgaria|불가리아|Sofia|소피아
Greece|그리스|Athens|아테네
Turkey|튀르키예|Ankara|앙카라
Russia|러시아|Moscow|모스크바
Ukraine|우크라이나|Kyiv|키이우
Sweden|스웨덴|Stockholm|스톡홀름
Norway|노르웨이|Oslo|오슬로
Denmark|덴마크|Copenhagen|코펜하겐
Finland|핀란드|Helsinki|헬싱키
Iceland|아이슬란드|Reykjavik|레이캬비크
Croatia|크로아티아|Zagreb|자그레브
Serbia|세르비아|Belgrade|베오그라드
Estonia|에스토니아|Tallinn|탈린
Latvia|라트비아|Riga|리가
Lithuania|리투아니아|Vilnius|빌뉴스
South Korea|대한민국|Seoul|서울
North Korea|북한|Pyongyang|평양
Japan|일본|Tokyo|도쿄
China|중국|Beijing|베이징
Mongolia|몽골|Ulaanbaatar|울란바토르
Vietnam|베트남|Hanoi|하노이
Thailand|태국|Bangkok|방콕
Laos|라오스|Vientiane|비엔티안
Cambodia|캄보디아|Phnom Penh|프놈펜
Malaysia|말레이시아|Kuala Lumpur|쿠알라룸푸르
Indonesia|인도네시아|Jakarta|자카르타
the Philippines|필리핀|Manila|마닐라
India|인도|New Delhi|뉴델리
Pakistan|파키스탄|Islamabad|이슬라마바드
Bangladesh|방글라데시|Dhaka|다카
Nepal|네팔|Kathmandu|카트만두
Iran|이란|Tehran|테헤란
Iraq|이라크|Baghdad|바그다드
Saudi Arabia|사우디아라비아|Riyadh|리야드
Qatar|카타르|Doha|도하
Jordan|요르단|Amman|암만
Kazakhstan|카자흐스탄|Astana|아스타나
Uzbekistan|우즈베키스탄|Tashkent|타슈켄트
Egypt|이집트|Cairo|카이로
Morocco|모로코|Rabat|라바트
Kenya|케냐|Nairobi|나이로비
Ethiopia|에티오피아|Addis Ababa|아디스아바바
Nigeria|나이지리아|Abuja|아부자
Ghana|가나|Accra|아크라
Senegal|세네갈|Dakar|다카르
the United States|미국|Washington, D.C.|워싱턴 D.C.
Canada|캐나다|Ottawa|오타와
Mexico|멕시코|Mexico City|멕시코시티
Cuba|쿠바|Havana|아바나
Brazil|브라질|Brasília|브라질리아
Argentina|아르헨티나|Buenos Aires|부에노스아이레스
Chile|칠레|Santiago|산티아고
Peru|페루|Lima|리마
Colombia|콜롬비아|Bogotá|보고타
Australia|호주|Canberra|캔버라
New Zealand|뉴질랜드|Wellington|웰링턴""".splitlines()
]

KOREAN_NAMES = {
    "대한민국": ("대한민국", "한국", "우리나라"),
    "북한": ("북한",),
    "튀르키예": ("튀르키예", "터키"),
    "호주": ("호주", "오스트레일리아"),
}
ENGLISH_NAMES = {
    "the United States": ("the United States", "the USA", "America"),
    "the United Kingdom": ("the United Kingdom", "the UK", "Britain"),
    "South Korea": ("South Korea", "Korea"),
}

# The answer repeats the official name, whatever name the question used.
_english = tuple({"country": ENGLISH_NAMES.get(en, (en,)), "name": en, "city": city} for en, _, city, _ in COUNTRIES)
_korean = tuple({"country": KOREAN_NAMES.get(ko, (ko,)), "name": ko, "city": city} for _, ko, _, city in COUNTRIES)

UNITS = [
    line.split("|")
    for line in """\
kilometer|meters|1000|킬로미터|미터
meter|centimeters|100|미터|센티미터
centimeter|millimeters|10|센티미터|밀리미터
meter|millimeters|1000|미터|밀리미터
kilogram|grams|1000|킬로그램|그램
gram|milligrams|1000|그램|밀리그램
ton|kilograms|1000|톤|킬로그램
liter|milliliters|1000|리터|밀리리터
minute|seconds|60|분|초
hour|minutes|60|시간|분
hour|seconds|3600|시간|초
day|hours|24|하루|시간
day|minutes|1440|하루|분
week|days|7|일주일|일
year|months|12|년|개월
year|days|365|년|일
year|weeks|52|년|주
decade|years|10|십 년|년
century|years|100|세기|년
foot|inches|12|피트|인치
yard|feet|3|야드|피트
inch|centimeters|2.54|인치|센티미터
mile|kilometers|1.609|마일|킬로미터
pound|grams|454|파운드|그램
ounce|grams|28|온스|그램
gallon|liters|3.785|갤런|리터
byte|bits|8|바이트|비트
kilobyte|bytes|1024|킬로바이트|바이트
megabyte|kilobytes|1024|메가바이트|킬로바이트
gigabyte|megabytes|1024|기가바이트|메가바이트
terabyte|gigabytes|1024|테라바이트|기가바이트""".splitlines()
]

_units_en = tuple(
    {"big": big, "a": "an" if big[0] in "aio" or big == "hour" else "a", "small": small, "n": n} for big, small, n, _, _ in UNITS
)
_units_ko = tuple(
    {"big": big if big in ("하루", "일주일", "십 년") else f"1{big}", "small": small, "n": n} for _, _, n, big, small in UNITS
)

TOPICS = (
    Topic(
        "capital",
        "en",
        "The capital of {name} is {city}.",
        (
            "[What is|What's|Tell me|Name|Give me|Say] the capital [of|city of] {country}?",
            "[Which|What] city is the capital of {country}?",
            "{country} [capital|capital city]?",
            "capital [of|city of] {country}",
            "[Tell me|Name|What is|What's|Give me] {country}'s capital[| city].",
            "[Do you know|Can you tell me|Could you name|Can you name] the capital of {country}?",
            "I forgot the capital of {country}. What is it?",
            "The capital of {country} is [which city|what|...]?",
            "[Where|What] is the capital [city|] of {country}?",
            "In class they asked for the capital of {country}. [What is the answer?|Help me.]",
            "[Which|What] city serves as the capital of {country}?",
            "What city is {country}'s capital?",
            "I need to know the capital city of {country}.",
            "Could you tell me what the capital of {country} is?",
            "I am in {country}. What is the capital here?",
            "My friend lives in {country}. [What|Which city] is its capital?",
            "Think of {country}. Its capital is [called what|which city]?",
            "What do they call the capital of {country}?",
            "What is the name of the capital of {country}?",
            "Remember the capital of {country}? [Tell me|Which city is it].",
            "I am [going|flying|moving] to {country}[.|;] [what is its capital|which city is the capital there]?",
            "What should I answer when they ask for {country}'s capital?",
            "Which city do people call the capital of {country}?",
        ),
        (
            "Remind me, what is {country}'s capital called?",
            "I am planning a trip to {country}; which city is its capital?",
            "If someone asks me about the capital city of {country}, what should I say?",
        ),
        _english,
        weight=3.2,
    ),
    Topic(
        "capital",
        "ko",
        "{name}의 수도는 {city}입니다.",
        (
            "{country}의 수도는 [어디야|어디예요|어디인가요|어디입니까|어디지|뭐야|무엇인가요|무엇입니까]?",
            "{country} 수도[는 어디야|는 어디예요|가 어디인가요|가 어디야|가 뭐야|는|]?",
            "{country}의 수도를 [알려줘|알려 주세요|말해 줘|말해 주세요|가르쳐 줘|알려 주십시오].",
            "{country} 수도 [알려줘|알려 주세요|좀 알려줘|말해 봐|이름이 뭐예요|이름].",
            "[어느|어떤|무슨] 도시가 {country}의 수도[야|예요|인가요|입니까]?",
            "{country}의 수도인 도시는 [어디야|어디예요|어디입니까]?",
            "{country:은} 수도가 [어디야|어디예요|어디인가요|어디입니까]?",
            "{country}의 수도[가 궁금해|가 궁금해요|를 알고 싶어|를 알고 싶어요|가 궁금합니다].",
            "{country}의 수도 이름[이 뭐야|이 뭐예요|은 무엇인가요|을 알려줘]?",
            "혹시 {country} 수도[를 알아|를 아세요|가 어디인지 알아|가 어디인지 아시나요]?",
            "{country} 수도를 까먹었어[|요]. [어디였지|어디야|뭐였지]?",
            "저는 {country}에 살아요. 여기 수도는 어디예요?",
            "친구가 {country} 사람인데 그 나라 수도가 [어디야|어디예요]?",
            f"{{country}}의 수도가 [어디인지|어딘지|뭔지|무엇인지] [{TELL}].",
            f"{{country}}의 수도[는|가] [{WHAT}]?",
            f"{{country}} 수도[를|가|] [{TELL}].",
            "{country}의 수도는 어느 도시[야|예요|죠|일까|일까요|인가요]?",
            "{country} 여행을 [준비하는데|가려는데|생각하는데] [그 나라|] 수도가 [어디죠|어디예요|어디야|어디인가요]?",
            "퀴즈에 {country} 수도가 [나왔어|나왔어요|나왔는데]. [뭐죠|뭐예요|답은|답이 뭐야]?",
            "{country:으로} [출장|유학|이사]을 [가요|갑니다|가는데]. [그 나라|거기|그곳] 수도는 [어디죠|어디예요|어디인가요]?",
            "시험에 {country} 수도를 [쓰라는데|적으라고 하는데] [뭐라고 쓰죠|뭐예요|정답은]?",
            "[내년에|이번 주에|여름에|곧] {country:으로} [떠나는데|가는데|출발해요]. "
            "[그곳의|그 나라|거기의] 수도[는|가] [어디죠|어디예요|어디인지 알려 줘]?",
        ),
        (
            "{country}의 수도가 어느 도시인지 말해 줄래요?",
            "지리 시험에 {country} 수도를 묻는 문제가 나왔는데 답이 뭐예요?",
            "다음 달에 {country:으로} 여행 가는데 거기 수도는 어디죠?",
        ),
        _korean,
        weight=3.2,
    ),
    Topic(
        "country",
        "en",
        "{city} is the capital of {name}.",
        (
            "[Which|What] country has {city} as its capital?",
            "{city} is the capital of [which|what] country?",
            "[Which|What] country's capital is {city}?",
            "Of [which|what] country is {city} the capital?",
            "[Tell me|Name] the country [with the capital|whose capital is] {city}.",
            "[In|To] which country does the capital {city} belong?",
            "{city} is [which|what] country's capital?",
            "The capital is {city}. [Which|What] country is it?",
            "Which country is {city} the capital of?",
            "Give me the country that has the capital {city}.",
            "When I am in the capital {city}, [what|which] country is it?",
        ),
        (
            "Name the country that has {city} for a capital.",
            "If the capital is {city}, which country am I in?",
        ),
        tuple({"name": en, "city": city} for en, _, city, _ in COUNTRIES),
        weight=1.6,
    ),
    Topic(
        "country",
        "ko",
        "{city:은} {name}의 수도입니다.",
        (
            "{city:은} [어느|어떤] 나라의 수도[야|예요|인가요|입니까]?",
            "[어느|어떤] 나라의 수도가 {city}[야|예요|인가요|입니까]?",
            "{city:이} 수도인 나라[는|가] [어디야|어디예요|어디인가요|뭐야]?",
            "{city:을} 수도로 둔 나라[를 알려줘|를 말해 줘|는 어디예요].",
            "수도가 {city}인 나라[는 어디야|는 어디예요|를 알려 주세요|는]?",
            "{city:은} 어디의 수도[야|예요|인가요]?",
            "{city}, 어느 나라 수도[야|예요|지]?",
            "어느 나라가 {city:을} 수도로 [하나요|하죠|하는지 알려 줄래|하는지 궁금해요]?",
            "{city:은} 어느 나라 [수도죠|수도일까요|수도인지 말해 줄래요]?",
            "{city} 하면 어느 나라의 수도[죠|인가요|예요]?",
            "[수도의 이름이|나라의 수도가|수도가] {city:이라}면 [그 나라는|나라 이름은|어느 나라] [어디죠|어디예요|어디인가요|죠|인가요]?",
            "이름이 {city}인 [수도는|수도가 있는 나라는] [어느 나라에 있죠|어디죠|어느 나라예요|어디인가요]?",
            "{city:이라}는 [이름의|] 수도[가|를] [있는|가진|둔] [나라는|나라가] [어디죠|어느 나라예요|어디인지 알려 주세요|어디야]?",
            "[내가|저는|우리는] 지금 {city}에 [있어|있어요|왔어요]. [어느 나라의 수도죠|여기는 어느 나라 수도예요|어느 나라일까요]?",
            "[그 나라의|그곳의] 수도 이름[은|이] {city}[예요|입니다|라고 해요]. [나라는|어느 나라죠|어느 나라일까요|어떤 나라예요]?",
        ),
        (
            "{city:이} 어느 나라의 수도인지 알려 줄래?",
            "수도 이름이 {city}인 나라는 어느 나라죠?",
        ),
        tuple({"name": ko, "city": city} for _, ko, _, city in COUNTRIES),
        weight=1.6,
    ),
    Topic(
        "units",
        "en",
        "{a} {big} is {n} {small}.",
        (
            "How many {small} [are in|are there in|make|make up|does it take to make] {a} {big}?",
            "How many {small} is {a} {big}?",
            "How many {small} does {a} {big} have?",
            "[Convert|Change|Turn] [one|1|{a}] {big} [to|into] {small}.",
            "[What is|What's] [one|1|{a}] {big} in {small}?",
            "{a} {big} [is|equals|has] how many {small}?",
            "1 {big} [in|to|=] {small}?",
            "How many {small} in [{a}|one|1] {big}?",
            "Tell me how many {small} are in {a} {big}.",
            "Express {a} {big} in {small}.",
            "I have one {big}. How many {small} is that?",
            "One {big} is how many {small}?",
            "Do you know how many {small} {a} {big} [has|is]?",
            "What do I get [when|after] I change one {big} to {small}?",
            "How many {small} there are in {a} {big}?",
        ),
        (
            "Do you know how many {small} there are in one {big}?",
            "If I convert one {big} into {small}, what do I get?",
        ),
        _units_en,
        weight=1.4,
    ),
    Topic(
        "units",
        "ko",
        "{big:은} {n}{small}입니다.",
        (
            "{big:은} 몇 [{small:이야}|{small:이에요}|{small}인가요|{small}입니까|{small}이죠]?",
            "{big:은} {small:으로} [얼마야|얼마예요|얼마인가요|몇이야|얼마입니까]?",
            "{big:을} {small:으로} [바꿔줘|바꿔 주세요|바꾸면|환산해 줘|환산하면 얼마예요|변환해 줘].",
            "{big:이} 몇 [{small:이야}|{small:이에요}|{small}인지 알려줘|{small}인지 알려 주세요|{small}인가요]?",
            "{big} 몇 {small}?",
            "{big}, {small:으로} [얼마야|바꾸면|알려줘|계산해 줘]?",
            "{big}에는 몇 {small:이} [있어|있어요|있나요|있습니까]?",
            f"{{big:을}} {{small:으로}} [쓰면|말하면|하면|고치면] [{HOW_MUCH}]?",
            f"{{big:이}} {{small:으로}} [얼마인지|몇인지 좀] [{TELL}].",
            f"{{big}}[,|은|이면] {{small}} 단위로는 [{HOW_MUCH}]?",
            f"{{big:은}} {{small:으로}} [{HOW_MUCH}]?",
            f"{{big:은}} 몇 {{small}}인지 [{TELL}].",
        ),
        (
            "{big:이} {small:으로} 몇인지 가르쳐 줄래요?",
            "{big:을} {small} 단위로 나타내면 얼마죠?",
        ),
        _units_ko,
        weight=1.4,
    ),
)
