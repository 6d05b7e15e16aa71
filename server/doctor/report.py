"""The doctor's answer, for people and for programs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

from server.doctor.checks import CHECKS, Finding
from server.doctor.facts import Facts
from server.settings import Settings
from server.terminal.output import in_colour, print_json

COLOURS = {"ok": 32, "warn": 33, "fail": 31}


def run(settings: Settings, *, as_json: bool) -> int:
    """Check this machine and print the findings. Returns 1 when one failed."""
    from server.doctor.gather import gather

    findings = examine(gather(settings))
    print_json(as_dict(findings)) if as_json else print(as_text(findings, colour=in_colour(sys.stdout)))
    return 1 if any(f.level == "fail" for f in findings) else 0


def examine(facts: Facts) -> list[Finding]:
    return [check(facts) for check in CHECKS]


def as_dict(findings: Sequence[Finding]) -> dict[str, Any]:
    return {"ok": all(f.level != "fail" for f in findings), "checks": [dataclasses.asdict(f) for f in findings]}


def as_text(findings: Sequence[Finding], *, colour: bool) -> str:
    """One line a check, what to do under it, and a last line that sums up."""
    width = max(len(f.name) for f in findings)
    lines = []
    for finding in findings:
        level = f"{finding.level:<4}"
        mark = f"\x1b[{COLOURS[finding.level]}m{level}\x1b[0m" if colour else level
        lines.append(f"{mark}  {finding.name:<{width}}  {finding.found}")
        if finding.todo:
            lines.append(f"{'':<{width + 6}}  -> {finding.todo}")
    count = {level: sum(f.level == level for f in findings) for level in COLOURS}
    words = [f"{n} {word}" for n, word in ((count["fail"], "to repair"), (count["warn"], "to look at")) if n]
    return "\n".join([*lines, "", " and ".join(words) if words else "Everything is ready: `sllm serve`"])
