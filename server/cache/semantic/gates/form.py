"""The form asked for must agree: JSON or a table, short or detailed, formal or for a child, with code or without."""

# ruff: noqa: E501 (tables: one row a line, lists of words as words)

from __future__ import annotations

from server.cache.semantic.gates.marks import Marks, only_one

FORMS = Marks(
    {
        "JSON": r"\bjson\b | 제이슨",
        "XML": r"\bxml\b",
        "YAML": r"\byaml\b | \byml\b",
        "CSV": r"\bcsv\b",
        "Markdown": r"\bmarkdown\b | 마크다운",
        "LaTeX": r"\blatex\b",
        "HTML": r"\bhtml\b",
        "table": r"\b(?:as|in|into)\ (?:a\ )?(?:table|tabular) | \btable\ form(?:at)? | (?<![가-힣])표\s?(?:로|형식|형태|안에)",
        "list": r"\b(?:as|in|into)\ (?:a\ )?(?:\w+\ )?list\b | \blist\ form | \bmake\ a\ list | 목록\s?(?:으로|형식|형태) | 리스트\s?(?:로|형식|형태)",
        "bullets": r"\bbullets?\b | \bbullet(?:ed)?\ (?:points?|list) | 글머리 | 불릿 | 개조식",
        "numbered": r"\bnumbered\b | 번호를?\s?(?:매|붙)",
        "step by step": r"\bstep[\ -]by[\ -]step\b | 단계별 | 차근차근 | 순서대로\s설명",
        "paragraph": r"\b(?:as|in)\ (?:a\ |one\ )?(?:paragraph|prose)s? | 줄글 | 서술형",
        "short": r"\b(?:brief(?:ly)?|short(?:ly)?\ (?:answer|explanation|summary|version|overview)|concise(?:ly)?|in\ short|in\ a\ nutshell|quick\ (?:summary|overview)|in\ a\ few\ words|keep\ it\ short)\b | 짧게\s(?:써|쓰|요약|설명|답|정리|작성|줄|말|알려) | 간략 | 간단히 | 간단하게 | 짧은\s(?:요약|설명|답)",
        "detailed": r"\b(?:detailed|in\ detail|in[\ -]depth|thorough(?:ly)?|comprehensive(?:ly)?|long\ (?:answer|explanation|version)|at\ length)\b | 자세히 | 자세하게 | 상세 | 구체적 | 길게\s(?:설명|써|답) | 심층",
        "formal": r"(?<!in)\bformal(?:ly)?\b | \bprofessional\ tone | 격식 | 존댓말 | 정중 | 공식적 | 높임말",
        "informal": r"\b(?:informal(?:ly)?|casual(?:ly)?|friendly\ tone)\b | 반말 | 친근 | 캐주얼 | 편하게\s(?:써|말)",
        "funny": r"\b(?:funny|humorous|witty)\b | 웃기게 | 재미있게 | 재밌게 | 유머",
        "simple": r"\b(?:simple\ terms|simply|plain\ english|plain\ language|layman|eli5|like\ i'?\ ?(?:a)?m\ (?:five|5)|for\ (?:a\ )?(?:kid|child|children|kids|beginners?|dummies))\b | 쉽게 | 쉬운\s말 | 초보자 | 초등학생 | 아이(?:에게|한테)\s설명 | 입문자",
        "expert": r"\b(?:for\ (?:an?\ )?experts?|technical(?:ly)?|advanced\ level)\b | 전문가\s?(?:수준|용|에게) | 전문적",
        "poem": r"\b(?:poem|poetry|haiku|limerick|verse)\b | (?<![가-힣])시(?:로|를|\s한\s편) | 하이쿠",
        "story": r"\b(?:short\ story|as\ a\ story|a\ story)\b | 이야기로 | 동화 | 소설",
        "email": r"\b(?:write|draft|compose|as)\ an?\ (?:\w+\ )?(?:e-?)?mail\b | (?:이메일|메일)(?:을|로)?\s?(?:써|작성|초안)",
        "letter": r"\b(?:a|cover)\ (?:\w+\ )?letter\b | 편지",
        "essay": r"\b(?:write|compose|draft)\ .{0,12}\bessay\b | 에세이 | 수필",
        "speech": r"\bspeech\b | 연설문 | 축사",
        "tweet": r"\btweet\b | 트윗",
        "slogan": r"\bslogan\b | 슬로건 | 표어",
        "outline": r"\boutline\b | 개요",
        "summary": r"\b(?:summar(?:y|ize|ise)|tl;?dr|recap)\b | 요약",
        "translation": r"\btranslat\w+ | 번역 | 통역",
        "title": r"\b(?:an?|some|\d+)\ (?:\w+\ )?(?:title|headline)s?\b | 제목",
        "example": r"\b(?:with|give|show)\b.{0,20}\bexamples?\b | 예시 | 예를\s들 | 예제",
        "code": r"\b(?:code\ (?:only|snippet|example)|only\ (?:the\ )?code|with\ code|sample\ code)\b | 코드(?:만|로|를|\s예)",
        "formula": r"\bas\ a\ formula\b | 공식(?!적|\s?사이트|\s?홈) | 수식",
        "one word": r"\bone[\ -]word\b | 한\s?단어로 | 한\s?마디로",
        "yes or no": r"\byes[\ -]or[\ -]no\b | 예\s?아니[오요]",
        "number only": r"\b(?:just|only)\ the\ (?:number|figure|answer)\b | 숫자만 | 답만",
        "flowchart": r"\b(?:diagram|flow\s?chart|mermaid|ascii\ art|chart|graph)\b | 다이어그램 | 순서도 | 도표 | 그래프",
        "capitals": r"\b(?:all\ caps|uppercase|upper\ case)\b | 대문자",
        "lower case": r"\b(?:lowercase|lower\ case)\b | 소문자",
        "argument for": r"\b(?:arguments?\ (?:for|in\ favor)|in\ favor\ of|pros\ only)\b | 찬성",
        "argument against": r"\barguments?\ against\b | 반대\s?(?:의견|입장|하는)",
    }
)  # fmt: skip


def form(a: str, b: str) -> str | None:
    """Objects when a form is asked for in only one of them."""
    return only_one("form:", FORMS.find(a), FORMS.find(b))
