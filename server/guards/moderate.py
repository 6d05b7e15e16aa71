"""What all guards of a model say of one text, whatever they would do about it: for /v1/moderations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from server.guards import language
from server.guards.base import Context, Piece, Verdict
from server.guards.careful import Careful, GuardFailed
from server.guards.hold import Bound, Hold
from server.guards.passage import Trail, ask_judges
from server.guards.screening import guard_error

if TYPE_CHECKING:
    from server.guards.policy import Guard, Policies

NOT_OF_CONTENT = frozenset(("length", "json_schema"))  # what is wrong with a text, not with what it says


async def judge_text(policies: Policies, model: str, text: str, told: Callable[[Verdict], None]) -> tuple[bool, dict[str, float]]:
    """(whether any guard acts, category -> highest score). Raises GuardError where a closed guard fails."""
    guards: dict[str, Guard] = {}
    for guard in policies.guards:
        if guard.is_for(model) and guard.settings.kind not in NOT_OF_CONTENT:
            guards.setdefault(guard.name, guard)  # its input side, where it has one
    trail = Trail(told)
    context = Context("input", model, "/v1/moderations", language.of(text))
    try:
        _detect([guard for guard in guards.values() if guard.detector is not None], text, trail)
        judges = [guard for guard in guards.values() if guard.judge is not None]
        await ask_judges(judges, [Piece(text)], context, trail)
    except GuardFailed as failed:
        raise guard_error(failed, context.language, "input") from None
    acts = any(said in ("block", "redact", "reask", "warn") for said in trail.said.values())
    return acts, dict(trail.categories)


def _detect(guards: list[Guard], text: str, trail: Trail) -> None:
    for guard in guards:
        hold = Hold([Bound(guard.name, Careful(guard, trail), "warn", lambda raw, finding: raw)], guard.side)
        hold.feed(text)
        hold.finish()
        for name, finding in hold.found:
            trail.add(Verdict(name, "warn", guard.side, {finding.category: finding.score}, findings=1))
