"""What is said before the work and after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from quantize.gate import Plan
from quantize.machine import Machine
from quantize.manifest import Check, Manifest
from quantize.units import duration, size


def before(plan: Plan, out: Path, machine: Machine) -> list[str]:
    """What will be done, with what it will take."""
    source, recipe, method = plan.source, plan.recipe, plan.method
    how = [method.title] if f"{recipe.bits}-bit" in method.title else [method.title, f"{recipe.bits} bits"]
    if method.grouped:
        how.append(f"groups of {recipe.group_size}" if recipe.group_size > 0 else "whole rows")
    lines = [f"{source.name} ({source.architecture}, {size(source.weight_bytes)}) -> {shown(out)}"]
    lines.append(_row("method", f"{', '.join(how)}; {method.library}, for vLLM on {'a GPU' if recipe.target == 'cuda' else 'the CPU'}"))
    if method.calibrated:
        drawn = f"{recipe.samples} samples of up to {recipe.sequence_length} tokens, seed {recipe.seed}"
        lines.append(_row("calibration", f"{'the bundled set' if recipe.calibration == 'bundled' else recipe.calibration}: {drawn}"))
    lines.append(_row("memory", f"about {size(plan.peak_memory)} at the highest, {size(machine.memory)} free"))
    lines.append(_row("disk", f"about {size(plan.disk)} meanwhile, {size(machine.disk)} free"))
    return [*lines, *(f"warning: {warning}" for warning in plan.warnings)]


def after(made: Manifest, out: Path) -> list[str]:
    """What came of it, ending in what to type next."""
    weights, cost = made.weights, made.cost
    share = weights.linear_bytes / weights.linear_bf16_bytes if weights.linear_bf16_bytes else 1.0
    return [
        f"{shown(out)}: {made.method} of {made.base.name}",
        _row("size", f"{size(made.base.weight_bytes)} -> {size(weights.bytes)}; the quantized layers {share:.2f} of what they are in bf16"),
        _row("time", duration(cost.seconds)),
        _row("memory", f"{size(cost.peak_memory_bytes)} at the highest, {size(cost.predicted_memory_bytes)} foreseen"),
        _row("check", "; ".join(checked(made.check))),
        _row("serve it", f"sllm serve {shown(out)}"),
    ]


def checked(check: Check | None) -> Iterator[str]:
    """The check in words."""
    if check is None:
        yield "left out"
    elif check.passed is None:
        yield f"not tried: {check.reason}"
    else:
        yield "passed" if check.passed else "failed"
        if check.mean_abs_logprob_difference is not None and check.agreement is not None:
            yield f"mean logprob difference {check.mean_abs_logprob_difference:.4f}, same first token at {check.agreement:.1%}"
        answers = [question for question in check.questions if question.baseline is not None]
        if answers:
            same = sum(question.answer == question.baseline for question in answers)
            yield f"{same} of {len(answers)} answers as {check.baseline}'s"
        if check.reason:
            yield check.reason


def _row(name: str, text: str) -> str:
    return f"  {name:<12} {text}"


def shown(path: Path) -> str:
    """`path` as short as it can be typed here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
