"""What is asked must agree: how is not why, when is not where, may I is not must I."""

# ruff: noqa: E501 (tables: one row a line, lists of words as words)

from __future__ import annotations

from server.cache.semantic.gates.marks import Marks

ASKED = Marks(
    {
        "agent": r"\bwhat\ (?:makes?|increases|reduces|keeps|leads|gets|prevents|speeds|slows|lowers|raises|helps|stops|removes)\b",
        "why": r"\b(?:why|how\ come|reasons?|what\ causes?|what\ made|cause\ of|what\ is\ causing)\b | (?<![가-힣])왜 | 이유 | 까닭 | 원인 | 때문에\s?(?:그|이)",
        "how": r"\b(?:how\ (?:do|can|could|should|to|would|might|am)\b(?!\ .{0,30}\b(?:work|mean|cost|differ)s?\b)|(?:ways?|steps|method|procedure|process|instructions|guide|technique|command|route)\ (?:to|of|for|is|i|are|puts?|removes?)\b|what\ (?:do|should|must)\ i\ (?:need\ to\ |have\ to\ )?do\b) | 어떻게(?!\s?(?:되|돼|생각)) | 어떡 | 방법 | 하는\s?법 | [는은]\s?법(?=[\s이을은?]|$) | 절차 | 려면",
        "when": r"(?:^|[,;:]\s*|\b(?:me|know|is|and|from|since|until|by)\ )when\b(?!\ (?:i|we|you)\b) | \bwhen\ (?:do|does|did|will|is|are|was|were|can|should|must|would)\b | \b(?:what|which)\ (?:time|date|day|year|situations?|point|age|moment)\b | \bhow\ soon\b | \bdate\ of\b | \bbest\ time\b | (?<![가-힣])언제 | [가-힣][는은한된]\s(?:시점|시기) | 몇\s?시(?!간) | 며칠(?=[이까에인]) | 몇\s?월 | 몇\s?년도",
        "where": r"\bplace\ of\b | \bwhere\b | \bwhich\ (?:place|location|city|country|page|menu)\b | \bwhat\ (?:place|city|country)\b | 어디 | 어느\s?(?:곳|나라|도시|메뉴) | 위치",
        "who": r"(?:^|[,;:]\s*|\b(?:me|know|is|and|by|to|for|with|from)\ )who(?:m|se)?\b | \bwhich\ (?:person|team|player)\b | \bauthor\ of\b | 누구 | 누가",
        "how long": r"\b(?:how\ long|how\ much\ time|how\ many\ (?:minutes|hours|days|weeks|months|years|seconds)|what\ (?:is\ the\ )?duration|length\ of\ time)\b | 얼마나\s?(?:오래|걸|지나) | 몇\s?(?:시간|분|일|주|달|개월|년)\s?(?:이|동안|간|정도|이나|걸|쯤) | 며칠\s?(?:동안|걸|이나|정도) | 소요\s?시간 | 기간",
        "how often": r"\b(?:how\ often|how\ frequently|how\ many\ times|frequency)\b | 얼마나\s자주 | 몇\s?번 | 며칠에\s한 | 주기",
        "how much": r"\b(?:how\ much\ (?:does|is|are|do|will|would|did)\b.{0,40}\b(?:cost|pay|charge|fee|price)|how\ much\ (?:is|are)\ |how\ expensive|what\ (?:is|are|does)\ .{0,30}(?:cost|price|fee|charge)s?|(?:cost|price|fee)\ of|going\ rate)\b | 얼마(?:예요|에요|인가|나\s?(?:하|드|내)|야|죠|입니까|를|\?|$) | 비용 | 가격 | 요금 | 수수료",
        "how many": r"\b(?:how\ many|what\ number\ of|number\ of)\b(?!\ (?:minutes|hours|days|weeks|months|years|seconds|times)) | 몇\s?(?:개|명|마리|장|권|가지|대|곳) | 인구 | 개수",
        "how much of": r"\bhow\ much\ (?!does|is|are|do\b|will|would|time|did) | \bwhat\ amount",
        "how far": r"\b(?:how\ far|what\ (?:is\ the\ )?distance|distance\ (?:from|between|to))\b | 얼마나\s?(?:먼|멀|떨어) | 거리",
        "how old": r"\b(?:how\ old|what\ age|age\ of)\b | 몇\s?살 | 나이 | 연령",
        "how big": r"\b(?:how\ (?:big|large|tall|high|deep|wide|heavy|fast|hot|cold))\b | 얼마나\s?(?:커|큰|크|높|깊|빠)",
        "may": r"^(?:(?:so|hi|hello|hey|please)[,\s]+)?(?:can|could|may|might)\ (?!you\b)(?!.*\bhow\b) | \b(?:am|is|are)\ (?:i|it|we|they|you|\w+|\w+\ \w+)\ (?:allowed|permitted|able|okay|ok|fine|all\ right|acceptable|permissible) | \bis\ (?:it|there)\ (?:possible|ok|okay|fine|safe|legal) | \ballowed\b | \bpermitted\b | 해도\s?(?:되|돼|될|괜찮|됩) | [아어여워와]도\s?(?:되|돼|될|괜찮|됩) | 수\s?있[나을는습어죠] | 가능한가 | 가능할 | 가능해 | 가능하[나다] | 허용",
        "must": r"(?<!how\ much\ )(?<!what\ )\b(?:do\ (?:i|we|you)\ (?:have\ to|need)|(?:am|are|is)\ (?:i|we|\w+|a\ \w+)\ (?:required|obliged|obligated|needed)|is\ it\ (?:necessary|mandatory|compulsory|required|obligatory))\b | ^(?!.*(?:어떻게|뭘|무엇|얼마|언제|몇|어디|누구|뭐|어떤)).*[아어여해]야\s?(?:하|되|돼|만|할|합|한|됩) | 필수 | 의무 | 꼭 | 반드시",
        "should": r"\b(?:should|better\ to|worth|recommended|advisable|good\ idea|a\ bad\ idea)\b | [는은]\s?게\s?(?:좋|나) | 좋을까 | 나을까 | 나은가 | 권장 | 추천",
        "what is": r"\b(?:what\ does\ .{1,40}\ mean|meaning\ of|definition\ of|define|what\ is\ meant|explain\ what)\b | ^what\ is\ an?\ \w+(?:\ \w+)?\W*$| (?:이|가)?\s?뭐(?:예요|야|죠|에요|지|니)[?\s]*$ | 무엇인가 | 뜻 | 의미 | 란\s?(?:무엇|뭐) | 무슨\s?(?:말|뜻)",
        "difference": r"\b(?:differences?|differs?|differentiate|distinction|distinguish|compare|comparison|versus|vs|tell\ apart)\b | 차이 | 비교 | 다른\s?점 | 구별 | 구분 | 다른가요 | 달라요",
        "works": r"\b(?:how\ (?:do|does)\ .{1,40}\bwork|working\ principle|mechanism)\b | 원리 | 작동\s?방식",
        "benefits": r"\b(?:benefits?|advantages?|pros|upsides?)\b | 장점 | 이점 | 좋은\s?점 | 효능",
        "drawbacks": r"\b(?:drawbacks?|disadvantages?|cons|downsides?|side\ effects?)\b | 단점 | 부작용 | 나쁜\s?점",
        "symptoms": r"\b(?:symptoms?|signs|signs?\ of)\b | 증상 | 징후",
        "treatment": r"\b(?:treatment|treat|cures?)\b | 치료",
        "examples": r"\bexamples?\b | 예시 | 사례",
        "history": r"\b(?:history|origins?)\b | 역사 | 유래 | 기원",
        "kinds": r"\b(?:kinds?|types?|sorts?)\ of\b | 종류 | 유형",
        "which best": r"\b(?:best|top|greatest|recommend\w*|suggest\w*)\b | 추천 | 제일 | 가장 | 최고",
        "worst": r"\b(?:worst|avoid)\b | 최악 | 피해야",
    }
)  # fmt: skip
# kinds that exclude each other: having one, a question does not ask for another
EXCLUSIVE = [
    "why",
    "how",
    "when",
    "where",
    "who",
    "how long",
    "how often",
    "how much",
    "how many",
    "how much of",
    "how far",
    "how old",
    "how big",
    "may",
    "must",
    "what is",
]
# kinds that must stand in both or in none
DECISIVE = frozenset({"why", "when", "how often", "how far", "how old", "difference", "benefits", "drawbacks", "symptoms", "treatment", "examples", "history", "worst", "works"})  # fmt: skip


def asks(a: str, b: str) -> str | None:
    """Objects when the questions ask for different things, or only one of them asks for a thing that has to be named."""
    one, other = ASKED.find(a), ASKED.find(b)
    if "agent" in one | other:  # "What makes it faster?" asks why or how
        one, other = one - {"why", "how"}, other - {"why", "how"}
    if only := (one ^ other) & DECISIVE:
        return f"only one asks {', '.join(sorted(only))}"
    if {"how", "where"} <= one | other:  # "Where do I change it?" asks how
        one, other = (kinds - {"where"} | {"how"} if kinds & {"how", "where"} else kinds for kinds in (one, other))
    first, second = (frozenset(kinds) & frozenset(EXCLUSIVE) for kinds in (one, other))
    if first and second and not first & second:
        return f"one asks {', '.join(sorted(first))}, the other {', '.join(sorted(second))}"
    return None
