"""Code identifiers must be the same: names with underscores, dots, brackets or inner capitals, flags, paths, versions, languages of programs."""

# ruff: noqa: E501, SIM905 (tables: one row a line, lists of words as words)

from __future__ import annotations

import re
from functools import lru_cache

from server.cache.semantic.gates.reading import read

IDENTIFIERS = [
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"`([^`]+)`",
        r"\b[A-Za-z]\w*_\w+\b",  # snake_case
        r"\b_\w+\b",
        r"\b[a-z]+[A-Z]\w*\b",  # camelCase
        r"\b[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+\b",  # PascalCase
        r"\b[A-Za-z]\w*(?:\.[A-Za-z]\w*)+(?:\(\))?",  # os.path
        r"\b\w+\(\)",
        r"(?<![\w-])--?[A-Za-z][\w-]*",  # flags
        r"(?<![\w/:])\.{0,2}/[\w.-]+(?:/[\w.-]*)*",  # paths
        r"(?<!\w)\.[a-z][a-z0-9]{1,5}\b",  # .txt
        r"\b\d+(?:\.\d+)+(?:-\w+)?\b",  # versions
        r"[<>=!]=|=>|->|&&|\|\||::|\+\+|\*\*|//",  # operators
        r"(?<=[A-Za-z])(?:\+\+|#)(?!\w)",
    )
]
LANGUAGES = {
    "python": r"python3?|파이썬", "java": r"java(?!\s?script)|자바(?!\s?스크립트)", "javascript": r"javascript|js|자바\s?스크립트", "typescript": r"typescript|ts|타입\s?스크립트",
    "c": r"c(?![\w+#'-])(?=\s|$|[?.,])", "c++": r"c\+\+|cpp|씨쁠쁠", "c#": r"c#|c\s?sharp", "go": r"golang|in go|go언어|고랭", "rust": r"rust|러스트", "ruby": r"ruby|루비",
    "php": r"php", "swift": r"swift|스위프트", "kotlin": r"kotlin|코틀린", "sql": r"sql", "bash": r"bash|배시", "r": r"in r(?=[\s?.]|$)", "html": r"html", "css": r"css",
    "powershell": r"powershell|파워쉘", "scala": r"scala|스칼라", "perl": r"perl", "matlab": r"matlab", "dart": r"dart|다트", "lua": r"lua", "mysql": r"mysql",
    "postgresql": r"postgres(?:ql)?", "mongodb": r"mongo(?:db)?", "sqlite": r"sqlite", "react": r"react|리액트", "vue": r"vue(?:\.js)?|뷰\.?js", "angular": r"angular|앵귤러",
    "node": r"node(?:\.js)?|노드", "django": r"django|장고", "flask": r"flask|플라스크", "pandas": r"pandas|판다스", "numpy": r"numpy|넘파이", "git": r"git|깃", "docker": r"docker|도커",
}  # fmt: skip
LANGUAGE = {name: re.compile(rf"(?<![\w가-힣])(?:{pattern})(?![a-z0-9_])") for name, pattern in LANGUAGES.items()}
BRANDS = frozenset(
    "iphone ipad imac ipod ios macos youtube ebay github gitlab linkedin paypal tiktok whatsapp wifi chatgpt openai powerpoint e.g i.e a.m p.m u.s u.k".split()
)


@lru_cache(maxsize=4096)
def identifiers(text: str) -> frozenset[str]:
    """Identifiers as they are written (case counts), and the languages of programs that the text names."""
    raw = read(text).raw
    found = {match.strip("`") for finder in IDENTIFIERS for match in finder.findall(raw)}
    found = {name.removesuffix("()").lstrip("-") if name.startswith("--") else name.removesuffix("()") for name in found}
    found = {name for name in found if name.casefold().strip(".") not in BRANDS and not re.fullmatch(r"\d+\.\d+", name)}
    return frozenset(found | {f"language {name}" for name, finder in LANGUAGE.items() if finder.search(raw.casefold())})


def code(a: str, b: str) -> str | None:
    """Objects when an identifier or a language is only in one of them."""
    only = identifiers(a) ^ identifiers(b)
    bare = {name for name in only if not name.startswith("language ") and _written(name, a) and _written(name, b)}
    return f"{', '.join(sorted(only - bare))[:80]} only in one of them" if only - bare else None


def _written(name: str, text: str) -> bool:
    """The same identifier, in backticks or with brackets in one text and bare in the other."""
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", read(text).raw) is not None
