"""`--method all`: every variant that machine, target and model allow, each checked and measured, and the comparison of all.

Each variant is a checkpoint in DIR/METHOD like any other. It is booted once, for its check and for its evaluation. What is there
already is kept: a variant of the same model by the same recipe is not made again, and a measurement of it is not repeated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from quantize import aside, check, command, gate, machine, manifest, run, summary
from quantize.command import Order
from quantize.errors import CheckFailed, QuantizeError, Refused, SourceError, UsageError
from quantize.evaluation import page, record
from quantize.evaluation.compare import Result, compare
from quantize.evaluation.measure import Measurement
from quantize.evaluation.options import Options
from quantize.evaluation.table import table
from quantize.gate import Plan
from quantize.manifest import Base, Manifest
from quantize.progress import Progress
from quantize.run import Run
from quantize.units import size

JSON, HTML = "comparison.json", "comparison.html"


@dataclass
class Variants:
    """`made` by method, in the order in which they were made; `refused` by the gate, and `failed`, with the sentence why."""

    order: Order
    shown: Progress
    options: Options
    here: machine.Machine
    made: dict[str, Manifest] = field(default_factory=dict)
    measurements: dict[str, Measurement] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    baseline: Measurement | str | None = None

    @cached_property
    def base(self) -> Base:
        self.shown.phase("reading the model")
        return run.base(self.order.source)

    def make(self, work: Run, plans: Sequence[Plan]) -> None:
        """Every plan in its turn; one that fails does not stop the others. `work` is for what belongs to none of them."""
        for number, plan in enumerate(plans, 1):
            method = plan.method.name
            self.shown.note(f"[{number} of {len(plans)}] {method}: {plan.method.title}")
            try:
                self.made[method] = self._one(work, plan)
                self._write()
                self.shown.stop()
                self.shown.note(f"  {size(self.made[method].weights.bytes)}; {'; '.join(summary.checked(self.made[method].check))}")
            except QuantizeError as error:
                self.shown.stop()
                self.shown.note(f"  failed: {error.message}")
                self.failed[method] = error.message

    def _one(self, work: Run, plan: Plan) -> Manifest:
        out = self.order.out / plan.method.name
        kept = None if self.order.force else self._there(plan, out)
        if kept is None:
            free = machine.look(self.order.out).disk
            if plan.disk > free:
                raise Refused(f"{plan.method.name} needs {size(plan.disk)} of disk, and {size(free)} are free: free some")
            one = replace(self.order, out=out)
            aside.check(out, self.order.source.path, one.force)
            name = f"{self.order.source.name.rpartition('/')[2]}-{plan.method.name}"

            def finish(its: Run, made: Manifest) -> Manifest:
                return self._measured(its, work, made, its.aside.checkpoint)

            return command.build(plan, one, self.here, self.shown, name, lambda: self.base, finish, work.drawn)
        self.shown.note(f"  {summary.shown(out)} is there already, of the same model by the same recipe")
        if not self.order.check or self._known(kept):
            return kept
        made = self._measured(replace(work, plan=plan), work, kept, out)
        manifest.write(out, made)
        return made

    def _there(self, plan: Plan, out: Path) -> Manifest | None:
        """The manifest of a variant that need not be made again."""
        try:
            found = manifest.read(out)
        except SourceError:
            return None
        wanted = run.portable(plan.recipe.model_dump(mode="json"))
        same = found is not None and found.base.digest == self.base.digest and dict(found.recipe) == wanted
        return found if same else None

    def _known(self, made: Manifest) -> bool:
        found = self.measurements.get(made.name)
        return found is not None and found.made.created == made.created

    def _measured(self, its: Run, work: Run, made: Manifest, folder: Path) -> Manifest:
        """`made` with its check and its evaluation. Raises CheckFailed."""
        if not self.order.check:
            return made
        if reason := check.not_here(its):
            return check.with_check(made, check.not_tried(reason))
        if self.baseline is None:
            self.baseline = check.baseline(replace(work, plan=its.plan), self.options)
        measurement = check.variant(its, made, self.options, folder)
        verdict = check.judge(measurement, self.baseline, its.plan.recipe)
        if not verdict.passed:
            raise CheckFailed(f"{made.name} was made and serves, and {verdict.reason}")
        self.measurements[made.name] = measurement
        figures = compare(measurement, self._baseline).to_dict()
        return check.with_check(made, verdict, (check.engine(measurement),)).model_copy(update={"evaluation": figures})

    @property
    def _baseline(self) -> Measurement | None:
        return self.baseline if isinstance(self.baseline, Measurement) else None

    def results(self) -> list[Result]:
        """The baseline, then the variants that were measured, in the methods' order."""
        names = [made.name for made in self.made.values()]
        found = [self._baseline, *(self.measurements.get(name) for name in names)]
        return [compare(each, self._baseline) for each in found if each is not None]

    def recall(self) -> None:
        """Take over what an earlier run has measured of the same model with the same options."""
        try:
            data = record.read(self.order.out / JSON)
            if data["about"].get("base_digest") != self.base.digest or data["about"].get("options") != self.options.to_dict():
                return
            found = [result.measurement for result in record.again(data, self.order.out / JSON)]
        except QuantizeError:
            return
        self.measurements = {each.name: each for each in found if each.name != data["baseline"]}
        self.baseline = next((each for each in found if each.name == data["baseline"]), None)

    def _write(self) -> None:
        """After each variant, so that an interrupted run can go on."""
        results = self.results()
        if results:
            about = {**record.about(self.options, failed={**self.refused, **self.failed}), "base_digest": self.base.digest}
            baseline = self._baseline.name if self._baseline else None
            record.write(self.order.out / JSON, record.build(results, baseline, about))
            (self.order.out / HTML).write_text(page.render(results, about), encoding="utf-8")

    def as_json(self) -> dict[str, Any]:
        compared = str(self.order.out / JSON) if self.results() else None
        made = {method: made.model_dump(mode="json") for method, made in self.made.items()}
        return {"path": str(self.order.out), "variants": made, "refused": self.refused, "failed": self.failed, "comparison": compared}

    def in_words(self) -> Iterator[str]:
        if results := self.results():
            yield table(results)
            yield ""
            yield f"the comparison: {summary.shown(self.order.out / HTML)}, its figures and what they come from: {JSON} beside it"
        for why, these in (("not made", self.refused), ("failed", self.failed)):
            yield from (f"{why}: {method}: {sentence}" for method, sentence in these.items())
        if self.made:
            yield f"serve one of them: sllm serve {summary.shown(self.order.out / next(iter(self.made)))}"


def make_all(order: Order, shown: Progress, as_json: bool, options: Options) -> int:
    """Returns 1 where a variant failed. Raises Refused where none can be made, UsageError for the folder."""
    here = machine.look(order.out)
    _check_out(order)
    work = Variants(order, shown, options, here)
    plans: list[Plan] = []
    for method, found in gate.feasible(order.source, order.recipe, here, order.methods):
        if isinstance(found, Plan):
            plans.append(found)
        else:
            work.refused[method] = found.message
    for line in _before(work, plans):
        shown.note(line)
    if not plans:
        raise Refused(f"no method can make a variant of {order.source.name} here: " + "; ".join(work.refused.values()))
    shown.brief = True
    with shown, command.at_work(order, plans[0], here, shown) as common:  # keeps others away from DIR
        order.out.mkdir(exist_ok=True)
        work.recall()
        work.make(common, plans)
    said = json.dumps(work.as_json(), ensure_ascii=False) if as_json else "\n".join(work.in_words())
    print(said, flush=True)
    return 1 if work.failed else 0


def _check_out(order: Order) -> None:
    """DIR may be there with variants in it; it is not a checkpoint itself, and not the model. Raises UsageError."""
    if (order.out / "sllm.json").is_file():
        raise UsageError(f"{order.out} is a checkpoint: with --method all give --out a folder for all variants")
    if order.out == order.source.path or order.out in order.source.path.parents or (order.out.exists() and not order.out.is_dir()):
        aside.check(order.out, order.source.path, force=True)


def _before(work: Variants, plans: Sequence[Plan]) -> Iterator[str]:
    source = work.order.source
    yield f"{source.name} ({source.architecture}, {size(source.weight_bytes)}) -> {len(plans)} variants in {summary.shown(work.order.out)}"
    for plan in plans:
        yield f"  {plan.method.name:<14} {plan.method.title}; memory about {size(plan.peak_memory)}"
    yield from (f"  {method:<14} not made: {sentence}" for method, sentence in work.refused.items())
    yield f"  {size(work.here.memory)} of memory and {size(work.here.disk)} of disk are free"
    yield from (f"warning: {line}" for line in dict.fromkeys(line for plan in plans for line in plan.warnings))
