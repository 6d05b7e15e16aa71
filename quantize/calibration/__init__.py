"""The calibration set: where its samples come from, and how they become token ids.

A sample is one conversation or one text from its first token on, as the engine will see it, cut to `sequence_length`. Short ones
are neither padded nor packed together: padding would be weighed like words, and packing would show each conversation behind the
end of another one, as it is never served, for no gain that could be measured (README.md beside this file).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quantize.calibration import files, hub, tokens
from quantize.calibration.rows import Row
from quantize.errors import CalibrationError
from quantize.recipe import Recipe
from quantize.source import Source

BUNDLED = "bundled"
STREAMED = 10  # rows read from a hub data set for each sample drawn
SHORT = 16  # a mean length below this part of sequence_length is a warning


@dataclass(frozen=True)
class Calibration:
    """`samples` are token ids; `source` is what the recipe named; `digest` covers the token ids and the seed; `tokens` counts them."""

    samples: list[list[int]]
    source: str
    digest: str
    tokens: int
    warnings: tuple[str, ...] = ()


def prepare(source: Source, recipe: Recipe, tokenizer: tokens.Tokenizer | None = None) -> Calibration:
    """The samples that `recipe` asks for, drawn by its seed, in the tokens of `source`. Raises CalibrationError, SourceError."""
    rows = _rows(recipe)
    random.Random(recipe.seed).shuffle(rows)
    length = min(recipe.sequence_length, source.context or recipe.sequence_length)
    encoder = tokens.Encoder(tokenizer or tokens.tokenizer(source), source.chat_template, length)
    samples = _draw(rows, encoder, recipe.samples)
    if not samples:
        why = f": its chat template says '{next(iter(encoder.refused))}'" if encoder.refused else ""
        raise CalibrationError(f"no sample of {recipe.calibration} can be used with {source.name}{why}")
    return Calibration(
        samples=samples,
        source=_name(recipe.calibration),
        digest=_digest(samples, recipe.seed),
        tokens=sum(map(len, samples)),
        warnings=tuple(_warnings(samples, source, recipe, length, encoder)),
    )


def _rows(recipe: Recipe) -> list[Row]:
    wanted = recipe.calibration
    if wanted == BUNDLED:
        return files.read(files.BUNDLED)
    file = Path(wanted).expanduser()
    if file.is_file():
        return files.read(file)
    if hub.is_folder(wanted) or (hub.is_id(wanted) and file.suffix.lower() not in (*files.LINES, *files.LIST, *files.PLAIN)):
        return hub.read(wanted, STREAMED * recipe.samples)
    raise CalibrationError(
        f"no calibration file at {wanted}: check the path, give a data set of the hub as org/name, or leave --calibration out"
    )


def _draw(rows: Iterable[Row], encoder: tokens.Encoder, count: int) -> list[list[int]]:
    """The first window of each row in turn; where rows run out, the later windows of long texts."""
    samples: list[list[int]] = []
    later: list[list[int]] = []
    for each in rows:
        if len(samples) == count:
            return samples
        windows = [window for window in encoder.encode(each) if window]
        samples += windows[:1]
        later += windows[1:]
    return samples + later[: count - len(samples)]


def _warnings(samples: list[list[int]], source: Source, recipe: Recipe, length: int, encoder: tokens.Encoder) -> Iterable[str]:
    total = sum(map(len, samples))
    mean = total / len(samples)
    widest = max(linear.inputs for linear in source.linears)
    if length < recipe.sequence_length:
        yield f"samples are cut to {length} tokens, the longest sequence of {source.name}, not {recipe.sequence_length}"
    if encoder.plain:
        yield f"{source.name} has no chat template: {encoder.plain} chats are read as plain text"
    for why, times in encoder.refused.items():
        yield f"{times} chats are left out: the chat template of {source.name} refuses them ({why})"
    few, short = len(samples) < recipe.samples, mean < length / SHORT
    if few or short:
        yield f"{len(samples)} of {recipe.samples} samples asked for; mean length {mean:.0f} tokens of {length}" + (
            ": give more, or longer ones" if short else ""
        )
    if total < widest:
        yield f"{total} calibration tokens are fewer than the {widest} inputs of the widest layer: GPTQ wants several times as many"


def _digest(samples: list[list[int]], seed: int) -> str:
    hashed = hashlib.sha256(f"seed {seed}\n".encode())
    for sample in samples:
        hashed.update((" ".join(map(str, sample)) + "\n").encode())
    return f"sha256:{hashed.hexdigest()}"


def _name(wanted: str) -> str:
    """What a manifest may tell of the set: a file's name without its folder."""
    path = Path(wanted.split(":")[0]).expanduser()
    return path.name + wanted[len(wanted.split(":")[0]) :] if path.exists() else wanted
