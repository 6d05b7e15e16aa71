"""Names, off by default: a rule knows a name only by its title or its label, and titles stand behind many a word."""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.guards.finders import Before, Hit, Token

_SURNAMES = (
    "남궁|황보|제갈|선우|독고|사공|서문|김|이|박|최|정|강|조|윤|장|임|한|오|서|신|권|황|안|송|류|전|홍|고|문|양|손|배|백|허|유|남|심|노|하|곽|성|차|주|우|구|나|민|진|지|엄"
    "|채|원|천|방|공|현|함|변|염|여|추|도|소|석|선|설|마|길|연|위|표|명|기|반|라|왕|금|옥|육|인|맹|제|모|탁|국|어|은|편|용"
)
_TITLES = (
    "님|씨|고객님|회원님|과장님?|대리님?|부장님?|차장님?|사원|팀장님?|대표님?|이사님?|상무님?|전무님?|교수님?|박사님?|선생님?|원장님?|회장님?|기자|변호사님?|의원|주임님?|실장님?"
    "|소장님?|간호사님?|작가님?"
)
_LABELS = (
    "이름|성명|성함|예금주|수신인|수취인|받는 ?(?:분|사람)|보내는 ?(?:분|사람)|담당자|고객명|신청인|신청자|환자명|보호자|대표자|작성자"
)
_NOT = re.compile(
    r"^(?:고객|회원|선생|사장|팀장|부장|과장|대리|차장|이사|교수|박사|주인|손님|부모|어머|아버|하나|우리|여러|이번|지난|전체|담당|해당|어르|기사|원장|주민|임직|국민|시민|이용)"
)

_TITLED = rf"(?<![가-힣])(?:{_SURNAMES})[가-힣]{{1,2}} ?(?:{_TITLES})"
_LABELLED = rf"(?:{_LABELS})[\"'` ]{{0,2}}(?:은|는|이|:|=|\|)?[\"'` ]{{1,3}}(?:{_SURNAMES})[가-힣]{{1,3}}"
_ENGLISH = r"(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? [A-Z][a-z'-]{1,20}(?: [A-Z][a-z'-]{1,20}){0,2}"
_NAMED = r"(?<![A-Za-z])(?:[Nn]ame is |[Nn]ame: ?|[Pp]atient:? |[Cc]ustomer: ?|I am |I'm )[A-Z][a-z'-]{1,20}(?: [A-Z][a-z'-]{1,20}){1,2}"


def _titled(text: str, start: int, end: int, before: Before) -> Hit | None:
    found = re.match(rf"(?:{_SURNAMES})[가-힣]{{1,2}}?(?= ?(?:{_TITLES})$)", text[start:end])
    return Hit(start, start + found.end(), "name", 0.7) if found is not None and _NOT.match(found[0]) is None else None


def _labelled(text: str, start: int, end: int, before: Before) -> Hit | None:
    found = re.search(r"[가-힣]+$", text[start:end])
    if found is None or _NOT.match(found[0]) is not None:
        return None
    name = re.sub(r"(?<=...)(?:입니다|이다|이고|이에|이며|은|는|이|가|을|를|님|씨|의|로|에|입|야)$", "", found[0])
    return Hit(start + found.start(), start + found.start() + len(name), "name", 0.75)


def _english(text: str, start: int, end: int, before: Before) -> Hit | None:
    lead = re.match(r"(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.? |[Nn]ame is |[Nn]ame: ?|[Pp]atient:? |[Cc]ustomer: ?|I am |I'm ", text[start:end])
    return Hit(start + (lead.end() if lead is not None else 0), end, "name", 0.7)


ON_PLAIN: Sequence[Token] = (
    Token("name", _TITLED, _titled, ignore_case=False),
    Token("name", _LABELLED, _labelled, ignore_case=False, lead=24),
    Token("name", _ENGLISH, _english, ignore_case=False, lead=24),
    Token("name", _NAMED, _english, ignore_case=False, lead=24),
)
