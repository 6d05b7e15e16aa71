"""The gates: a candidate that the embedder finds similar is admitted only if none of them objects.

Each gate is a function (a, b) -> why not, or None. An embedder scores opposites at 0.94 to 0.98, so these look at what it cannot see:
numbers, dates, names, negation, opposites, direction, what is asked and in which form; the last one at every word of content.
A gate that is in doubt objects: that costs a miss, not a wrong answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.cache.semantic.gates.table import GATES


@dataclass(frozen=True)
class Verdict:
    """`gate` and `why` are empty when the candidate passed."""

    passed: bool
    gate: str = ""
    why: str = ""


PASSED = Verdict(True)
LONGEST = 2000  # characters; of a longer text an embedder sees only the beginning, and its gates would cost more than they save


def check(question: str, candidate: str, answer: str | None = None) -> Verdict:
    """Whether the answer given to `candidate` may serve `question`; the first gate that objects is named. Never raises.

    With `answer`, also whether it has the language and the form that `question` asks for.
    """
    from server.cache.semantic.gates.answer import fits

    if question == candidate:
        return PASSED
    if max(len(question), len(candidate)) > LONGEST:
        return Verdict(False, "length", f"longer than {LONGEST:,} characters")
    for name, gate in GATES.items():
        if why := gate(question, candidate):
            return Verdict(False, name, why)
    if answer is not None and (why := fits(question, answer)):
        return Verdict(False, "answer", why)
    return PASSED


def objections(a: str, b: str) -> dict[str, str]:
    """Every gate's objection, by name; for tables of what each gate does."""
    if max(len(a), len(b)) > LONGEST:
        return {"length": f"longer than {LONGEST:,} characters"}
    return {name: why for name, gate in GATES.items() if (why := gate(a, b))}


__all__ = ["GATES", "PASSED", "Verdict", "check", "objections"]
