"""evaluation.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quantize.evaluation.compare import Result


def render(results: Sequence[Result], about: Mapping[str, Any]) -> str:
    return ""
