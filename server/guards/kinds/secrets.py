"""Keys, tokens and passwords of common services.

Forms: each service's own documentation, as gitleaks and GitHub's secret scanning list them. A private key is found up to
CAP characters; a longer one loses its first CAP.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from server.guards.finders import Before, Check, Finder, Finders, Hit, Token, Tokens
from server.guards.kinds.encoded import Encoded
from server.guards.kinds.pii import chosen

if TYPE_CHECKING:
    from server.guards.base import Detector, Side, Tools
    from server.guardsettings import Secrets

LONGEST = 2000  # characters of a token
LEAD = 80  # characters of a label and its sign
CAP = 8192  # characters of a private key


def _is(category: str, score: float = 0.97) -> Check:
    """A form that nothing else has; placeholders such as sk-xxxxxxxx are let stand."""

    def check(text: str, start: int, end: int, before: Before) -> Hit | None:
        tail = text[start:end][-16:]
        return Hit(start, end, category, score) if len(set(tail.lower())) > 3 else None

    return check


_PLACEHOLDER = re.compile(
    r"(?i)^[<${%\[(]|^(?:[*x.•-]{4,}|none|null|nil|true|false|undefined|required|optional|string|str|text|password|passwd"
    r"|secret|changeme|example|your[-_ ].*"
    r"|(?:my|the|a|an|is|not|and|or|to|was|has)|os\..*|process\..*|env\..*|getenv.*|self\..*|config\..*|settings\..*"
    r"|request\..*|args\..*|input.*|.*\(.*\)?|[a-z_]+\.[a-z_.]+)$"
)


def _value(category: str, entropy: float) -> Check:
    """The value behind a label and a sign: `password = hunter2`. It must not be a word of a program, nor a placeholder."""

    def check(text: str, start: int, end: int, before: Before) -> Hit | None:
        found = _VALUE.search(text[start:end])
        if found is None:
            return None
        value = found["quoted"] or found["bare"] or ""
        begin = start + found.start("quoted" if found["quoted"] else "bare")
        if not found["quoted"]:
            value = _NEXT.split(value, maxsplit=1)[0].rstrip(".,;)]}\"'`")
        if len(value) < 4 or _PLACEHOLDER.search(value) is not None or _entropy(value) < entropy:
            return None
        if found["said"] and (sum(character.isdigit() for character in value) == 0 or len(value) < 6):
            return None
        if found["loose"] and not _made_up(value):
            return None
        if not found["quoted"] and value.isalpha() and (value.islower() or value.istitle() or value.isupper()) and entropy > 2.5:
            return None
        return Hit(begin, begin + len(value), category, 0.85)

    return check


_VALUE = re.compile(
    r"(?:(?P<sign>[\"'`]?\s{0,3}(?:=>|:=|==|=|:)\s{0,3})|(?P<said>[ ]{0,2}(?:is|was|는|은|가|이|를|을|->"
    r"|→)?[ :]{1,3})|(?P<loose>[\"'`)]?[ ]{0,2}(?:[-|\]\t\n→]|\.{3})[ ]{0,2}))"
    r"(?:[\"'`](?P<quoted>[^\"'`\s]{4,256})|(?P<bare>[!-~]{4,256}))$"
)


def _made_up(value: str) -> bool:
    """Letters, figures, and signs or both cases: no word that might stand there."""
    if len(value) < 6 or re.search("[0-9]", value) is None or re.search("[A-Za-z]", value) is None:
        return False
    return re.search(r"[!@#$%^&*~?]", value) is not None or value.lower() not in (value, value.swapcase())


_NEXT = re.compile(r"[&;,][A-Za-z_.-]{1,40}=")  # the next of key=value&key=value


def _entropy(value: str) -> float:
    """Bits a character (Shannon)."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


_B, _E = r"(?<![A-Za-z0-9_])", r"(?![A-Za-z0-9])"
_W = "[A-Za-z0-9_-]"
_SIGN = r"[\"'`]?[ \t]{0,3}(?:=>|:=|==|=|:)[ \t]{0,3}"
_LOOSE = r"[\"'`)]?[ ]{0,2}(?:[-|\]\t\n→]|\.{3})[ ]{0,2}"  # of tables and forms: `password | x`, `[PW] x`
_SAID = rf"(?:{_SIGN}|[ ]?(?:is|was|는|은|가|이|를|을|->)?[ :]{{1,3}}|{_LOOSE})"
_ANY_VALUE = r"(?:[\"'`][^\"'`\s]{4,200}|[!-~]{4,200})"


def _token(category: str, pattern: str) -> Token:
    return Token(category, f"{_B}(?:{pattern}){_E}", _is(category), ignore_case=False)


TOKENS: Sequence[Token] = (
    _token("anthropic_key", rf"sk-ant-{_W}{{20,}}"),
    _token("openai_key", rf"sk-(?:proj-|svcacct-|admin-|or-v1-)?{_W}{{20,}}|sess-[A-Za-z0-9]{{40,}}"),
    _token("aws_key", r"(?:AKIA|ASIA|ABIA|ACCA|AGPA|AROA)[A-Z0-9]{16}|ABSK[A-Za-z0-9+/]{100,}"),
    _token("gcp_key", rf"AIza{_W}{{35}}|ya29\.{_W}{{20,}}|GOCSPX-{_W}{{28}}|1//0{_W}{{38,}}"),
    _token("github_token", r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}"),
    _token("gitlab_token", rf"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat|ffct)-{_W}{{20,}}"),
    _token(
        "slack_token",
        r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{20,}|hooks\.slack\.com/services/[A-Za-z0-9/]{20,}",
    ),
    _token("stripe_key", r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{24,}"),
    _token("huggingface_token", r"hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,}"),
    _token("toss_key", r"(?:test|live)_(?:sk|ck|gsk|gck)_[A-Za-z0-9]{20,}"),
    _token("naver_key", r"ncp_(?:iam|api)_[A-Za-z0-9]{24,}|ncp_[A-Za-z0-9]{36,}|nv-[A-Za-z0-9]{32,}"),
    _token("telegram_token", rf"[0-9]{{8,10}}:AA{_W}{{33}}"),
    _token("discord_token", rf"[MNO][A-Za-z0-9_-]{{23,27}}\.{_W}{{6}}\.{_W}{{27,40}}"),
    _token("sendgrid_key", rf"SG\.{_W}{{22}}\.{_W}{{43}}"),
    _token("twilio_key", r"(?:SK|AC)[0-9a-f]{32}"),
    _token("npm_token", r"npm_[A-Za-z0-9]{36}"),
    _token("pypi_token", rf"pypi-AgE{_W}{{50,}}"),
    _token(
        "api_key",
        rf"gsk_[A-Za-z0-9]{{40,}}|xai-[A-Za-z0-9]{{60,}}|r8_[A-Za-z0-9]{{37}}|pplx-[A-Za-z0-9]{{40,}}"
        rf"|up_[A-Za-z0-9]{{28,}}|nvapi-{_W}{{50,}}|dapi[a-f0-9]{{32}}"
        rf"|do[opr]_v1_[a-f0-9]{{64}}|shp(?:at|ca|pa|ss)_[a-f0-9]{{32}}|key-[a-f0-9]{{32}}|lin_api_[A-Za-z0-9]{{30,}}"
        rf"|ntn_[A-Za-z0-9]{{40,}}|hvs\.{_W}{{24,}}"
        rf"|dp\.pt\.[A-Za-z0-9]{{40,}}|PMAK-[a-f0-9]{{24}}-[a-f0-9]{{34}}|AGE-SECRET-KEY-1[A-Z0-9]{{58}}"
        rf"|pat[A-Za-z0-9]{{14}}\.[a-f0-9]{{64}}|sbp_[a-f0-9]{{40}}"
        rf"|tvly-[A-Za-z0-9-]{{20,}}|ATATT3{_W}{{50,}}|NRAK-[A-Z0-9]{{27}}|glc_[A-Za-z0-9+/]{{32,}}|sq0(?:atp"
        rf"|csp)-{_W}{{22,}}|figd_{_W}{{40,}}|pscale_tkn_{_W}{{32,}}",
    ),
    _token("jwt", rf"eyJ{_W}{{8,}}\.eyJ{_W}{{8,}}(?:\.{_W}*)?"),
    Token("kakao_key", r"KakaoAK[ :=]{1,3}[0-9a-f]{32}(?![0-9A-Za-z])", _is("kakao_key")),
    Token(
        "kakao_key",
        rf"(?:kakao|카카오)[^\n\"'=:]{{0,24}}(?:key|키|secret|시크릿){_SAID}[\"'`]?[0-9a-z]{{32}}(?![0-9A-Za-z])",
        _value("kakao_key", 2.8),
        lead=LEAD,
    ),
    Token(
        "naver_key",
        rf"(?:naver|네이버|x-ncp|ncp|ncloud)[^\n\"'=:]{{0,30}}(?:(?:secret|시크릿|key|키){_SAID}|id{_SIGN})[\"'`]?[0-9A-Za-z_]{{10,44}}(?![0-9A-Za-z])",
        _value("naver_key", 2.8),
        lead=LEAD,
    ),
    Token(
        "aws_key",
        rf"aws[a-z0-9_ .-]{{0,20}}(?:secret|key|token)[a-z_ -]{{0,16}}{_SAID}[\"'`]?[A-Za-z0-9/+=]{{40,}}",
        _value("aws_key", 3.5),
        lead=LEAD,
    ),
    Token(
        "aws_key",
        r"(?:AKIA|ASIA)[A-Z0-9]{16}(?:[^A-Za-z0-9/+=]{1,4}| ?/ )"
        r"(?:[A-Za-z_ ]{1,32}[^A-Za-z0-9/+]{1,4})?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
        lambda *seen: _aws_pair(*seen),
        ignore_case=False,
        lead=LEAD,
    ),
    Token("azure_key", r"(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,90}={0,2}", _value("azure_key", 3.5), lead=LEAD),
    Token("bearer_token", r"(?:bearer|basic)[ ]{1,2}[A-Za-z0-9._~+/-]{16,}={0,2}", lambda *seen: _bearer(*seen), lead=LEAD),
    Token(
        "api_key",
        rf"(?:api|secret|access|client|private|auth|service|app|consumer|encryption|signing|master)[_ .-]?(?:key|secret"
        rf"|token)(?:[_-]?(?:id|value))?{_SIGN}{_ANY_VALUE}"
        rf"|(?:api|secret|access|client|private|auth|service)[ _-]?(?:key|token|secret){_SAID}[A-Za-z0-9_+/=-]{{20,200}}"
        rf"|(?:api ?키|시크릿 ?키?|인증 ?키|액세스 ?(?:키|토큰)|서비스 ?키|토큰){_SAID}[A-Za-z0-9_+/=-]{{20,200}}"
        rf"|(?:secret|token|apikey|시크릿|인증 ?키|토큰|api ?키|액세스 ?키|서비스 ?키){_SIGN}{_ANY_VALUE}",
        lambda *seen: _generic(*seen),
        lead=LEAD,
    ),
    Token(
        "password",
        rf"(?:password|passwd|passphrase|passcode|비밀번호|비번|패스워드|암호){_SAID}{_ANY_VALUE}",
        _value("password", 1.5),
        lead=LEAD,
    ),
    Token("password", rf"(?<![A-Za-z])pass{_SIGN}{_ANY_VALUE}", lambda *seen: _pass(*seen), lead=LEAD),
    Token("password", rf"(?<![A-Za-z])(?:pwd|pw){_SAID}{_ANY_VALUE}", _value("password", 1.5), lead=LEAD),
    Token(
        "connection_string",
        r"(?:postgres(?:ql)?|mysql|mariadb|mongodb|redis|rediss|amqps?|mssql|sqlserver|s?ftp|ssh|https?|oracle|clickhouse"
        r"|smtps?|ldaps?|kafka|nats|cockroachdb|snowflake)"
        r"(?:\+[a-z0-9]{1,12})?://[^\s:@/\"'<>`]{0,64}:[^\s@/\"'<>`]{1,128}@[^\s\"'<>`]{1,200}",
        lambda *seen: _connection(*seen),
    ),
)

MARKERS = (
    r"sk-|sess-|A[KSBCGR][IOP]A|ABSK|AIza|ya29|GOCSPX|1//0|gh[pousr]_|github_pat|gl[a-z]{2,5}-|xox|xapp|hooks\.slack"
    r"|[srp]k_|whsec_|hf_|api_org_|(?:test|live)_"
    r"|ncp|nv-|:AA|[MNO][A-Za-z0-9_-]{23,27}\.|SG\.|(?:SK|AC)[0-9a-f]{8}|npm_|pypi-|gsk_|xai-|r8_|pplx-|up_|nvapi|dapi"
    r"|do[opr]_v1|shp(?:at|ca|pa|ss)_|key-|lin_api"
    r"|ntn_|hvs|dp\.pt|PMAK|AGE-SEC|pat[A-Za-z0-9]{14}|sbp_|tvly|ATATT|NRAK|glc_|sq0|figd_|pscale|eyJ|kakao|카카오|naver|네이버"
    r"|ncloud|aws|AccountKey"
    r"|SharedAccess|(?:api|secret|access|client|private|auth|service)[ _-]?(?:key|token|secret)"
    r"|api ?키|시크릿|인증 ?키|액세스 ?[키토]|서비스 ?키|토큰"
    r"|bearer |basic |(?:key|secret|token|키|시크릿|토큰)(?:[_-]?(?:id|value))?[\"'`]?[ \t]{0,3}[=:]|pass|비밀번호|비번|패스워드|암호|pwd|pw|://"
)


def _bearer(text: str, start: int, end: int, before: Before) -> Hit | None:
    value = text[start:end].split()[-1]
    if _entropy(value) < 3.2 or not any(character.isdigit() for character in value):
        return None
    return Hit(end - len(value), end, "bearer_token", 0.9)


_any_password = _value("password", 1.5)


def _pass(text: str, start: int, end: int, before: Before) -> Hit | None:
    """`DB_PASS=`, but not `pass: 12/15`."""
    hit = _any_password(text, start, end, before)
    return hit if hit is not None and _made_up(text[hit.start : hit.end]) else None


def _aws_pair(text: str, start: int, end: int, before: Before) -> Hit | None:
    """The secret key that stands behind its key id."""
    return Hit(end - 40, end, "aws_key", 0.95) if _entropy(text[end - 40 : end]) >= 3.5 else None


_generic_value = _value("api_key", 3.2)


def _generic(text: str, start: int, end: int, before: Before) -> Hit | None:
    hit = _generic_value(text, start, end, before)
    if hit is None or hit.end - hit.start < 16:
        return None
    value = text[hit.start : hit.end]
    mixed = any(character.isdigit() for character in value) and any(character.isalpha() for character in value)
    return hit if mixed and re.fullmatch(r"[\w\-./+=~:!@#$%^&*]+", value) is not None else None


_KNOWN = re.compile(r"(?:gh[pousr]_|github_pat_|gl[a-z]{2,5}-|xox[abp]-|hf_|npm_)[A-Za-z0-9_-]{20,}$")
_WEAK = ("password", "secret", "changeme", "example", "text")  # placeholders elsewhere, and often the real thing here


def _connection(text: str, start: int, end: int, before: Before) -> Hit | None:
    found = text[start:end].rstrip(".,;)]}")
    secret = re.search(r"://[^:]*:(.*?)@", found)
    if secret is None or (_PLACEHOLDER.search(secret[1]) is not None and secret[1].lower() not in _WEAK):
        return None
    if _KNOWN.match(secret[1]) is not None:
        return None  # found as what it is
    return Hit(start, start + len(found), "connection_string", 0.95)


_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_BODY = re.compile(r"[A-Za-z0-9+/=\s:,.()\\-]*")
_BEGINS = re.compile(r"-{1,5}$|-----B(?:E(?:G(?:I(?:N(?: [A-Z0-9 ]{0,60}-{0,5})?)?)?)?)?$")


class PrivateKeys:
    """PEM and PGP private keys: from BEGIN to END, or as far as what can be part of one goes."""

    reach = CAP

    def find(self, text: str, start: int, before: Before, words: str) -> list[Hit]:
        found: list[Hit] = []
        for begin in _BEGIN.finditer(text, start):
            if not found or begin.start() >= found[-1].end:
                found.append(Hit(begin.start(), self._end(text, begin)[0], "private_key", 0.99))
        return found

    def _end(self, text: str, begin: re.Match[str]) -> tuple[int, bool]:
        """Where a key ends, and whether more text could make it longer."""
        limit = begin.start() + CAP
        end = _END.search(text, begin.end(), limit)
        if end is not None:
            return end.end(), False
        body = _BODY.match(text, begin.end(), limit)
        stop = body.end() if body is not None else begin.end()
        if stop < min(len(text), limit):
            stop = begin.end() + len(text[begin.end() : stop].rstrip())
            return stop, False
        return stop, len(text) < limit

    def alive(self, text: str, start: int, words: str) -> int:
        tail = _BEGINS.search(text, max(start, len(text) - 80))
        alive = tail.start() if tail is not None else len(text)
        for begin in _BEGIN.finditer(text, start):
            if self._end(text, begin)[1]:
                return min(alive, begin.start())
        return alive


ENTITIES: Mapping[str, bool] = {**{token.category: True for token in TOKENS}, "private_key": True}


def make(settings: Secrets, side: Side, tools: Tools) -> Detector:
    """Raises ConfigError for an entity that is none."""
    wanted = chosen(settings.entities, ENTITIES)
    kept = [token for token in TOKENS if token.category in wanted]
    finders: list[Finder] = [*([Tokens(kept, LONGEST, MARKERS)] if kept else []), *([PrivateKeys()] if "private_key" in wanted else [])]
    found = Finders(finders, [], wanted, settings.allow)
    return Encoded(found, side) if settings.encoded == "both" or (settings.encoded == "input" and side == "input") else found
