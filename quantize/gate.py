"""What can be refused before the work, in under a second, with what would work instead.

Nothing heavy is imported: the model is known by its headers, the kernels by a table, the libraries by their source files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from quantize import architectures, targets
from quantize.errors import MissingLibrary, QuantizeError, Refused, UsageError
from quantize.machine import Machine
from quantize.methods.method import Method
from quantize.nearest import did_you_mean, nearest
from quantize.recipe import ALL, Recipe, for_method, registry, with_values
from quantize.source import Linear, Source
from quantize.targets import Kernel, Target
from quantize.units import size

OUTPUT = "lm_head"  # vLLM reads the output layer unquantized from all of these formats
SIDE_FILES = 64 * 2**20  # bytes: tokenizer, configuration, manifest, log
ENGINE = 3 * 2**30  # bytes: what an engine takes beside the weights, on the CPU

# Options that only some methods read. Those in SWITCHES promise a result that the others do not make, so they are refused there.
OPTIONS: dict[str, tuple[str, ...]] = {
    "damping": ("gptq", "gptq-ct", "w8a8"),
    "desc_act": ("gptq",),
    "double_quant": ("bnb-nf4",),
    "smoothing": ("w8a8",),
}
SWITCHES = ("desc_act", "double_quant")
CALIBRATION = ("calibration", "samples", "sequence_length")


@dataclass(frozen=True)
class Plan:
    """What will be made. `recipe` has bits, symmetric, target and ignore filled in; `peak_memory` predicts the highest resident
    memory and `disk` the bytes needed at once on the disk of the output."""

    source: Source
    recipe: Recipe
    method: Method
    peak_memory: int
    disk: int
    warnings: tuple[str, ...] = ()


class _No(Exception):
    """Why not, and changes of the recipe that may help, best first."""

    def __init__(self, why: str, *changes: dict[str, Any], memory: bool = False):
        super().__init__(why)
        self.why, self.changes, self.memory = why, changes, memory


Installed = Callable[[Method], None]


def installed(method: Method) -> None:
    """Raises MissingLibrary where the environment of `method`, or its library, is not there."""
    from quantize import environments

    environments.require(method)


def check(
    source: Source, recipe: Recipe, machine: Machine, methods: Mapping[str, Method] | None = None, installed: Installed = installed
) -> Plan:
    """The plan for `recipe`. Raises Refused with what would work instead, UsageError, MissingLibrary."""
    methods = registry(methods)
    method = methods.get(recipe.method)
    if method is None:
        raise UsageError(f"--method: no method '{recipe.method}': {did_you_mean(recipe.method, [*methods, ALL])}")
    try:
        plan = _plan(source, recipe, machine, method)
    except _No as no:
        instead = list(_instead(no, source, recipe, machine, methods, installed))
        text = ", or ".join(instead[:1] + [each.removeprefix("use ") if instead[0][:4] == "use " else each for each in instead[1:]])
        raise Refused(f"{no.why}: {text}" if instead else no.why) from None
    installed(method)
    return plan


def feasible(
    source: Source, recipe: Recipe, machine: Machine, methods: Mapping[str, Method] | None = None, installed: Installed = installed
) -> list[tuple[str, Plan | QuantizeError]]:
    """For `--method all`: each method in the registry's order with its plan, or why not. Options go to the methods that read them."""
    found: list[tuple[str, Plan | QuantizeError]] = []
    methods = registry(methods)
    for name, method in methods.items():
        if method.control:
            continue
        try:
            found.append((name, check(source, for_method(recipe, method, unread(method)), machine, methods, installed)))
        except QuantizeError as error:
            found.append((name, error))
    return found


def unread(method: Method) -> list[str]:
    """The recipe's keys that `method` does not read."""
    keys = [key for key, names in OPTIONS.items() if method.name not in names]
    keys += [] if method.grouped else ["group_size", "symmetric"]
    return keys + ([] if method.calibrated else [*CALIBRATION])


def _instead(
    no: _No, source: Source, recipe: Recipe, machine: Machine, methods: Mapping[str, Method], installed: Installed
) -> Iterator[str]:
    """The first change of the recipe and the first other method that pass the gate themselves, as what to type."""
    method = methods[recipe.method]
    for changes in no.changes:
        unsaid = [key for key, value in changes.items() if value is None]
        if _passes(source, for_method(recipe.model_copy(update=changes), method, unsaid), machine, method, installed):
            yield " and ".join(_flag(key, value) for key, value in changes.items())
            break
    near = sorted(methods.values(), key=lambda other: abs(other.bits[0] - (recipe.bits or method.bits[0])))
    for other in near:
        if other.name != method.name and not other.control:
            plan = _passes(source, for_method(recipe, other), machine, other, installed)
            if plan:
                yield f"use --method {other.name}" + (f", which needs {size(plan.peak_memory)}" if no.memory else "")
                return


def _passes(source: Source, recipe: Recipe, machine: Machine, method: Method, installed: Installed) -> Plan | None:
    try:
        installed(method)
        return _plan(source, recipe, machine, method)
    except (_No, MissingLibrary):
        return None


def _flag(key: str, value: object) -> str:
    flag = f"--{key.replace('_', '-')}"
    if value is None or value is False:
        return f"leave {flag} out"
    return "use " + " ".join(f"{flag} {each}" for each in (value if isinstance(value, tuple) else (value,)))


def _plan(source: Source, recipe: Recipe, machine: Machine, method: Method) -> Plan:
    warnings = list(_options(recipe, method))
    if unknown := architectures.unknown_to_transformers(source.model_type, source.own_code):
        raise _No(unknown)
    if method.library == "gptqmodel" and (unsure := architectures.unknown_to_gptqmodel(source.model_type)):
        warnings.append(unsure)
    if source.experts and not method.experts:
        raise _No(f"{source.name} is a mixture of experts, and {method.name} would leave its experts as they are")
    recipe, kernel = _served(recipe, machine, method)
    warnings += _ignored(source, recipe)
    linears = source.quantized(recipe.ignore)
    if not linears:
        raise _No(f"--ignore leaves no layer of {source.name} to quantize", {"ignore": None})
    if half := targets.halves((linear.name for linear in source.kept(recipe.ignore)), (linear.name for linear in linears)):
        kept, others = half
        said = tuple(entry for entry in recipe.ignore if entry != OUTPUT)
        everywhere = tuple(name.rpartition(".")[2] for name in others)
        joined = {"ignore": (*said, *others)}, {"ignore": (*said, *everywhere)}, {"ignore": None}
        raise _No(f"--ignore keeps {kept} and not {' and '.join(others)}, which vLLM builds as one layer with it", *joined)
    _shapes(linears, recipe, method, kernel)
    warnings += _tiles(linears, kernel)
    peak, disk = method.peak(source, recipe), disk_needed(source, recipe, method)
    if peak > machine.memory:
        why = f"{method.name} needs {size(peak)} at its peak, and {size(machine.memory)} of memory are free"
        raise _No(why, *_smaller(recipe, method), memory=True)
    if disk > machine.disk:
        raise _No(f"{method.name} needs {size(disk)} of disk, and {size(machine.disk)} are free there: free some, or give another --out")
    if recipe.target == "cpu" and source.weight_bytes + ENGINE > machine.memory:
        needs = f"the check serves {source.name} itself as well, which needs {size(source.weight_bytes + ENGINE)}"
        warnings.append(f"{needs}, and {size(machine.memory)} of memory are free: --no-check leaves it out")
    return Plan(source, recipe, method, peak, disk, tuple(warnings))


def _options(recipe: Recipe, method: Method) -> Iterator[str]:
    """Warnings for options that this method does not read; refuses those that would promise another result."""
    for key in unread(method):
        flag, value = f"--{key.replace('_', '-')}", getattr(recipe, key)
        if key in SWITCHES and value and key in recipe.model_fields_set:
            raise _No(f"{flag} belongs to {' and '.join(OPTIONS[key])}, and {method.name} does not know it", {key: False})
        if key in recipe.model_fields_set and key not in SWITCHES:
            yield f"{flag} {value} does not count: {method.name} does not read it"


def _served(recipe: Recipe, machine: Machine, method: Method) -> tuple[Recipe, Kernel]:
    """The recipe with target, bits, symmetric and ignore filled in, and the kernel that will serve it."""
    target: Target = machine.target if recipe.target == "auto" else recipe.target
    bits = recipe.bits or method.bits[0]
    if bits not in method.bits:
        raise _No(f"{method.name} makes {_either(method.bits)} bits, not {bits}", {"bits": None})
    kernel = targets.kernel(method.scheme, target, bits, recipe.symmetric if method.grouped else None)
    where = "a GPU" if target == "cuda" else "the CPU"
    if kernel is None:
        shown = f"{bits}-bit {method.name}"
        if recipe.symmetric is not None and targets.kernel(method.scheme, target, bits, None):
            shown += ", symmetric" if recipe.symmetric else ", asymmetric"
        gpu = target == "cpu" and targets.kernel(method.scheme, "cuda", bits, recipe.symmetric) is not None
        raise _No(
            f"vLLM has no kernel for {shown} on {where}" + (" (with --target cuda it has one, for a GPU)" if gpu else ""),
            *({"bits": each} for each in method.bits if each != bits),
            {"symmetric": None},
        )
    if method.grouped and recipe.group_size not in kernel.groups:
        raise _No(f"{kernel.name} takes no group size {recipe.group_size} with {method.name}", *_groups(recipe, kernel))
    symmetric = kernel.symmetric[0] if method.grouped and recipe.symmetric is None and kernel.symmetric else recipe.symmetric
    ignore = tuple(dict.fromkeys((*recipe.ignore, OUTPUT)))
    return with_values(recipe, target=target, bits=bits, symmetric=symmetric, ignore=ignore), kernel


def _ignored(source: Source, recipe: Recipe) -> Iterator[str]:
    """A warning for each entry of `ignore` that means no layer. Refuses a broken regular expression."""
    known = [OUTPUT, *(linear.name for linear in source.linears), *source.other_modules]
    for entry in recipe.ignore:
        try:
            means = entry == OUTPUT or source.kept((entry,)) or any(name.endswith(entry) for name in source.other_modules)
        except re.error as error:
            raise UsageError(f"--ignore {entry} is not a regular expression: {error}") from None
        if not means:
            near = nearest(entry, {name.rpartition(".")[2] for name in known})
            yield f"--ignore {entry} means no layer of {source.name}" + (f": did you mean '{near}'?" if near else "")


def _shapes(linears: list[Linear], recipe: Recipe, method: Method, kernel: Kernel) -> None:
    """Refuses widths that the group size or the kernel does not divide. Which layer, which width: the first one."""
    if method.grouped and recipe.group_size != -1:
        odd = next((linear for linear in linears if linear.inputs % recipe.group_size), None)
        if odd:
            sizes = _groups(recipe, kernel)
            raise _No(f"group size {recipe.group_size} does not divide {odd.inputs} ({odd.name})", *sizes)
    for name, inputs, outputs in targets.built(linears):
        for width, divisor, what in ((inputs, kernel.inputs, "inputs"), (outputs, kernel.outputs, "outputs")):
            if width % divisor:
                raise _No(f"{kernel.name} takes {what} in multiples of {divisor}, and {name} has {width}")


def _tiles(linears: list[Linear], kernel: Kernel) -> Iterator[str]:
    if kernel.tile:
        small, large = kernel.tile[1], kernel.tile[0]
        for name, inputs, outputs in targets.built(linears):
            if (outputs % small or inputs % large) and (outputs % large or inputs % small):
                yield f"{kernel.name} pads {name} ({inputs} x {outputs}) to its tiles of {large} x {small}; earlier versions refuse it"
                return


def _groups(recipe: Recipe, kernel: Kernel) -> Iterator[dict[str, Any]]:
    """Other group sizes, the largest below the asked one first, whole rows last."""
    below = sorted((g for g in kernel.groups if 0 < g < recipe.group_size), reverse=True)
    above = sorted(g for g in kernel.groups if g > recipe.group_size > -1)
    return ({"group_size": each} for each in (*below, *above, *(g for g in kernel.groups if g == -1)))


def _smaller(recipe: Recipe, method: Method) -> Iterator[dict[str, Any]]:
    """Calibration sets that take less memory."""
    if method.calibrated:
        yield from ({"samples": n} for n in (128, 64) if n < recipe.samples)
        yield from ({"samples": min(64, recipe.samples), "sequence_length": n} for n in (256, 128) if n < recipe.sequence_length)


def disk_needed(source: Source, recipe: Recipe, method: Method) -> int:
    """Bytes needed at once: the checkpoint, which is made beside its place, and the method's scratch."""
    linears = source.quantized((*recipe.ignore, OUTPUT))
    bits = recipe.bits or method.bits[0]
    group = recipe.group_size if method.grouped and recipe.group_size > 0 else 64 if method.scheme == "bnb" else math.inf
    made = 0.0
    for linear in linears:
        rows = math.ceil(linear.inputs / group) if group != math.inf else 1
        made += linear.inputs * linear.outputs * bits / 8 + linear.outputs * rows * 4.5  # a scale of 4 bytes and a zero at most
    kept = source.weight_bytes - sum(linear.bytes for linear in linears)
    return int(kept + made) + SIDE_FILES + (method.scratch(source, recipe) if method.scratch else 0)


def _either(values: tuple[int, ...]) -> str:
    return " or ".join(str(value) for value in values)
