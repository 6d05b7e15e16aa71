"""`sllm guard check` without a text: the guards in their order, what each needs, and how far a stream is held back at most."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from server.guards.policy import Guard, Policies, Policy
from server.guards.screening import Screening
from server.terminal import guardtools
from server.terminal.output import print_json

if TYPE_CHECKING:
    from server.settings import Settings

WIDTH = 160  # of a table that goes into a file


def listing(settings: Settings, *, as_json: bool) -> None:
    """Print the guards in their order: what they do, for whom, how far a stream is held back, what they need."""
    guardtools.nothing_to_do(settings)
    found = listed(guardtools.made(settings))
    if as_json:
        print_json(found)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("guard", "kind", "stage", "action", "on error", "timeout", "for", "held back", "needs")
    for guard in found["guards"]:
        table.add_row(
            guard["name"],
            guard["kind"],
            guard["stage"],
            guard["action"] + (f" ({guard['form']})" if guard["form"] and guard["action"] == "redact" else ""),
            guard["on_error"],
            f"{guard['timeout']:g} s",
            escape(", ".join(guard["models"]) or "all"),
            guard["held_back"],
            escape(guard["needs"] or ""),
        )
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(table)
    for guard in found["guards"]:
        if guard["entities"]:
            console.print(f"{guard['name']} looks for: {', '.join(guard['entities'])}", highlight=False)
        if guard["entities_off"]:
            console.print(f"  and where `entities` names them: {', '.join(guard['entities_off'])}", highlight=False)
    for model in found["models"]:
        console.print(f"{model['model']}: {held(model)}", highlight=False, markup=False)


def held(model: dict[str, Any]) -> str:
    """How far the stream of an answer is held back at most, in words."""
    parts = []
    if model["whole"]:
        return "an answer is shown when all of it was judged"
    if model["sentences"]:
        parts.append(f"a sentence of up to {model['sentences']:,} characters")
    if model["characters"]:
        parts.append(f"{model['characters']:,} characters")
    return f"a stream is held back by at most {' and '.join(parts)}" if parts else "a stream is not held back"


def listed(policies: Policies) -> dict[str, Any]:
    """The guards in their order, and for each set of models with the same guards the worst hold-back of a stream."""
    sections = list({id(guard.settings): guard.settings for guard in policies.guards}.values())
    shown = []
    for section in sections:
        mine = [guard for guard in policies.guards if guard.settings is section]
        kind = str(getattr(section, "kind", ""))
        entities, off = _entities(section, kind)
        shown.append(
            {
                "name": section.label,
                "kind": kind,
                "stage": section.stage,
                "action": section.action,
                "form": getattr(section, "form", None),
                "on_error": section.on_error,
                "timeout": section.timeout,
                "models": list(section.models),
                "held_back": next((_held_back(guard) for guard in mine if guard.side == "output"), "-"),
                "needs": _needs(section, kind),
                "entities": entities,
                "entities_off": off,
            }
        )
    named = sorted({name for section in sections for name in section.models})
    return {"guards": shown, "models": [_worst(policies, name) for name in [*named, None]]}


def _worst(policies: Policies, model: str | None) -> dict[str, Any]:
    """Of one model; None: of all that no guard names."""
    from server.guards.hold import Hold
    from server.guards.sentences import LONGEST

    guards = [g for g in policies.guards if g.side == "output" and (not g.settings.models or model in g.settings.models)]
    screening = Screening(Policy([], guards, ""), model or "", "", lambda verdict: None)
    bounds = screening.bounds([guard for guard in guards if guard.detector is not None])
    windows = {guard.judge.window for guard in guards if guard.judge is not None}
    return {
        "model": model or ("all other models" if any(g.settings.models for g in policies.guards) else "all models"),
        "characters": Hold(bounds, "output").worst if bounds else 0,
        "sentences": LONGEST if "sentences" in windows else 0,
        "whole": "whole" in windows,
    }


def _held_back(guard: Guard) -> str:
    if guard.detector is not None:
        reach = guard.detector.reach
        return f"{reach:,} character{'s' * (reach != 1)}" if reach else "nothing"
    assert guard.judge is not None
    return "the whole answer" if guard.judge.window == "whole" else "a sentence"


def _needs(section: Any, kind: str) -> str | None:
    """What must be there for it to judge, besides this program."""
    match kind:
        case "classifier":
            return str(section.model)
        case "similarity":
            return None if section.embedder == "ngram" else f"embedder {section.embedder}"
        case "llm":
            return f"model {section.model}" + (f" at {section.url}" if section.url else "")
        case "nemo":
            return f"nemoguardrails, {section.folder}"
        case "length":
            return "the model's tokenizer" if section.max_tokens else None
    return None


def _entities(section: Any, kind: str) -> tuple[list[str], list[str]]:
    """(what is looked for, what is looked for only where `entities` names it)."""
    if kind not in ("pii", "secrets"):
        return [], []
    from server.guards.kinds import pii, secrets

    known = pii.ENTITIES if kind == "pii" else secrets.ENTITIES
    wanted = pii.chosen(section.entities, known)
    return [name for name in known if name in wanted], [name for name in known if name not in wanted]
