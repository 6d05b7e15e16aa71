"""From a file to scored pairs: labelled pairs as they are, a log of requests replayed in its order.

A log's row has a question and its answer: {"question", "answer"}, or {"request", "response"} with the bodies of chat completions. Each
question is looked up among those before it with the same model and the same rest of the request; a look-up that finds the most similar one
is a pair, and it means the same when the answers are the same but for white space and case. That is strict: two good answers in other words
count as a false hit, so a log's figures are upper ends.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from server.cache.calibrate import CalibrationError, Pair, gate, read_rows

Embed = Callable[[Sequence[str]], Awaitable[Sequence[Any]]]
BATCH = 64


async def scored(file: Path, embed: Embed) -> list[Pair]:
    """The pairs of `file` with scores and verdicts. A labelled pair may bring its `score`. Raises CalibrationError."""
    rows = read_rows(file)
    if "same" in rows[0]:
        return [gate(pair) for pair in await _with_scores(_labelled(file, rows), embed)]
    return [gate(pair) for pair in await _replayed(file, rows, embed)]


def _labelled(file: Path, rows: list[dict[str, Any]]) -> list[Pair]:
    pairs = []
    for number, row in enumerate(rows, 1):
        a, b, same, score = row.get("a"), row.get("b"), row.get("same"), row.get("score")
        if not isinstance(a, str) or not isinstance(b, str) or not isinstance(same, bool):
            raise CalibrationError(f'{file}, row {number}: a labelled pair is {{"a": "...", "b": "...", "same": true}}.')
        if score is not None and (not isinstance(score, int | float) or not -1.01 <= score <= 1.01):
            raise CalibrationError(f"{file}, row {number}: score is a cosine, from -1 to 1.")
        differs = row.get("differs")
        pairs.append(Pair(a, b, same, differs if isinstance(differs, str) else None, str(row.get("group") or ""), score))
    return pairs


async def _with_scores(pairs: list[Pair], embed: Embed) -> list[Pair]:
    from dataclasses import replace

    missing = list(dict.fromkeys(text for pair in pairs if pair.score is None for text in (pair.a, pair.b)))
    vectors = dict(zip(missing, await _vectors(missing, embed), strict=True))
    return [pair if pair.score is not None else replace(pair, score=float(vectors[pair.a] @ vectors[pair.b])) for pair in pairs]


async def _vectors(texts: list[str], embed: Embed) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(texts), BATCH):
        found += await embed(texts[start : start + BATCH])
    return found


async def _replayed(file: Path, rows: list[dict[str, Any]], embed: Embed) -> list[Pair]:
    turns = [_turn(file, number, row) for number, row in enumerate(rows, 1)]
    texts = list(dict.fromkeys(question for _, question, _ in turns))
    vectors = dict(zip(texts, await _vectors(texts, embed), strict=True))
    kept: dict[str, dict[str, str]] = {}
    pairs = []
    for partition, question, answer in turns:
        before = kept.setdefault(partition, {})
        if question not in before:  # else the exact cache has it
            if before:
                near = max(before, key=lambda other: float(vectors[question] @ vectors[other]))
                pairs.append(Pair(question, near, _same(answer, before[near]), score=float(vectors[question] @ vectors[near])))
            before[question] = answer
    if not pairs:
        raise CalibrationError(f"{file}: no question has another one before it with the same model and settings.")
    return pairs


def _turn(file: Path, number: int, row: dict[str, Any]) -> tuple[str, str, str]:
    """(what must be equal, the question, the answer) of a log's row."""
    if isinstance(row.get("question"), str) and isinstance(row.get("answer"), str):
        return json.dumps([row.get("model"), row.get("tenant")]), row["question"], row["answer"]
    try:
        request, response = (json.loads(part) if isinstance(part, str) else part for part in (row["request"], row["response"]))
        messages = request["messages"]
        question, answer = messages[-1]["content"], response["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError, ValueError):
        raise CalibrationError(
            f'{file}, row {number}: a log\'s row is {{"question", "answer"}} or {{"request", "response"}} of a chat completion, '
            'a labelled pair is {"a", "b", "same"}.'
        ) from None
    if not isinstance(question, str) or not isinstance(answer, str) or messages[-1].get("role") != "user":
        raise CalibrationError(f"{file}, row {number}: the last message is no text of a user, or the answer is no text.")
    rest = {key: value for key, value in request.items() if key not in ("messages", "user", "stream", "stream_options", "metadata")}
    return json.dumps([row.get("tenant"), rest, messages[:-1]], sort_keys=True), question, answer


def _same(one: str, other: str) -> bool:
    return " ".join(one.casefold().split()) == " ".join(other.casefold().split())
