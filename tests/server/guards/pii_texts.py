"""The shipped sets, and a detector over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from server.guards.base import Detector, Side, Tools
from server.guards.kinds import pii, secrets
from server.guards.view import View
from server.guardsettings import Pii, Secrets

DATA = Path(pii.__file__).parents[2] / "data"


def lines(name: str) -> list[dict[str, Any]]:
    """`pii` or `pii_unseen`: every line of the set."""
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def texts() -> list[str]:
    return [line["text"] for name in ("pii", "pii_unseen") for line in lines(name)]


def pii_guard(side: Side = "input", **keys: Any) -> Detector:
    return pii.make(Pii(kind="pii", **keys), side, Tools())


def secrets_guard(side: Side = "input", **keys: Any) -> Detector:
    return secrets.make(Secrets(kind="secrets", **keys), side, Tools())


def found(detector: Detector, text: str) -> list[tuple[str, str]]:
    """(what was found, its category)."""
    return [(text[finding.start : finding.end], finding.category) for finding in detector.find(View(text))]
