"""`sllm guard check TEXT`: what the guards of the configuration say of a text."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from server.guards import language
from server.guards.base import Context, Finding, Piece, Side, Verdict
from server.guards.careful import GuardFailed
from server.guards.passage import WORST, Reask, TextPassage, ask_judges
from server.guards.policy import Guard, Policies, Policy
from server.guards.screening import Screening
from server.terminal import guardtools
from server.terminal.output import print_json

if TYPE_CHECKING:
    from server.settings import Settings

PLACE: dict[Side, str] = {"input": "messages[0].content", "output": "choices[0].message.content"}


def check(settings: Settings, text: str, side: Side, model: str | None, url: str | None, *, as_json: bool) -> int:
    """Print verdicts, findings and what is left of `text` ("-": stdin). Exit code 1 where it is refused. Raises ConfigError, StartError."""
    guardtools.nothing_to_do(settings)
    found = asyncio.run(judged(settings, sys.stdin.read() if text == "-" else text, side, guardtools.chosen(settings, model), url))
    print_json(found) if as_json else print("\n".join(lines(found)))
    return 0 if found["allowed"] else 1


async def judged(settings: Settings, text: str, side: Side, model: str | None, url: str | None) -> dict[str, Any]:
    """What the gateway would do with `text`: as the one message of a request, or as the answer to one."""
    async with guardtools.opened(settings, url) as policies:
        policy = policies.of(model) if model is not None else Policy(*_sides(policies), "")
        guards = [] if policy is None else list(getattr(policy, side))
        verdicts: list[Verdict] = []
        screening = Screening(policy or Policy([], [], ""), model or "", "/v1/chat/completions", verdicts.append)
        screening.language = language.of(text)
        screening.data = {"messages": [{"role": "user", "content": text}]} if side == "input" else {"messages": []}
        refused, reask, failed, left, found = "", "", "", "", []
        passage = screening.passage(PLACE[side], "text") if side == "output" else _request(screening, guards)
        assert isinstance(passage, TextPassage)
        try:
            left = await passage.feed(text) + await passage.finish()
            if not passage.blocked and side == "input":
                refused = await _judges(screening, guards, left)
        except Reask as wanted:
            reask = wanted.why
        except GuardFailed as failure:
            failed = failure.guard
        if passage.hold is not None:
            found = [_found(name, finding, text) for name, finding in passage.hold.found]
    return {
        "side": side,
        "model": model,
        "language": screening.language,
        "allowed": not (refused or passage.blocked or reask or failed),
        "text": None if reask or failed or (side == "input" and (refused or passage.blocked)) else left,
        "refusal": refused or passage.refusal or None,
        "asked_again": reask or None,
        "failed": failed or None,
        "findings": found,
        "verdicts": [_said(guard, verdicts) for guard in guards],
    }


def _sides(policies: Policies) -> tuple[list[Guard], list[Guard]]:
    return [g for g in policies.guards if g.side == "input"], [g for g in policies.guards if g.side == "output"]


def _request(screening: Screening, guards: Sequence[Guard]) -> TextPassage:
    """The detectors of a request; its judges read all texts at once, after them."""
    detectors = [guard for guard in guards if guard.detector is not None]
    return TextPassage(
        detectors, screening.bounds(detectors), screening.context("input"), screening.trail, screening.refusal, PLACE["input"], None
    )


async def _judges(screening: Screening, guards: Sequence[Guard], text: str) -> str:
    """The refusal, where one of them blocks. Raises GuardFailed."""
    judges = [guard for guard in guards if guard.judge is not None]
    context = Context("input", screening.model, screening.path, screening.language, {"messages": [{"role": "user", "content": text}]})
    found = await ask_judges(judges, [Piece(text, PLACE["input"])], context, screening.trail) if text.strip() else None
    return screening.refusal(found[0]) if found else ""


def _found(guard: str, finding: Finding, text: str) -> dict[str, Any]:
    return {
        "guard": guard,
        "category": finding.category,
        "start": finding.start,
        "end": finding.end,
        "score": round(finding.score, 4),
        "text": text[finding.start : finding.end].encode("utf-8", "replace").decode(),
    }


def _said(guard: Guard, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What one guard said in all; the worst counts."""
    mine = [verdict for verdict in verdicts if verdict.guard == guard.name]
    categories: dict[str, float] = {}
    for verdict in mine:
        for name, score in verdict.categories.items():
            categories[name] = max(round(score, 4), categories.get(name, 0.0))
    return {
        "guard": guard.name,
        "kind": guard.settings.kind,
        "said": max((verdict.said for verdict in mine), key=WORST.index, default="pass"),
        "categories": categories,
        "why": next((verdict.why for verdict in mine if verdict.why), None),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """A check as people read it."""
    width = max((len(verdict["guard"]) for verdict in found["verdicts"]), default=0)
    shown = []
    for verdict in found["verdicts"]:
        scores = ", ".join(f"{name} {score:g}" for name, score in verdict["categories"].items())
        shown.append(f"{verdict['guard']:<{width}}  {verdict['said']:<6}  {'; '.join(filter(None, [scores, verdict['why']]))}".rstrip())
    for finding in found["findings"]:
        shown.append(f"  {finding['start']}-{finding['end']}  {finding['category']}  {finding['text']!r}  ({finding['guard']})")
    if not found["verdicts"]:
        shown.append(f"no guard judges the {found['side']}")
    if found["failed"]:
        shown.append(f"refused: the guard '{found['failed']}' failed, and lets nothing through then")
    elif found["asked_again"]:
        shown.append(f"asked again: {found['asked_again']}")
    elif found["refusal"]:
        shown.append(f"refused: {found['refusal']}")
    if found["text"] is not None:
        shown.append(f"text: {found['text'].encode('utf-8', 'replace').decode()}")
    return shown
