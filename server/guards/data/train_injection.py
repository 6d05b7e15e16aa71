"""Fits injection.weights.json to injection.jsonl: logistic regression over n-grams (ngrams.py), by gradient descent in numpy.

    python -m server.guards.data.train_injection      under a minute

The threshold for 1% of false positives is taken from five-fold cross-validation, and printed with the recall there. What
it is worth on texts of another hand is measured on injection_unseen.jsonl, which is not read here. What is harmless and ordinary
it learns from texts that the repository has anyway: questions of the semantic cache, texts of pii.jsonl, these docs.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from server.guards.data.make_injection import HERE
from server.guards.ngrams import SHARP, WIDTH, places, windows

DECAY = 1e-3
STEPS = 250
FOLDS = 5
ALLOWED = 0.01
HELD_BACK = ("ARCHITECTURE.md", "batch.md")  # pages on which false positives on prose can be looked at


def matrix(texts: list[str]) -> Any:
    """float32 (texts, WIDTH), rows of length SHARP."""
    import numpy as np

    rows = np.zeros((len(texts), WIDTH), np.float32)
    for row, text in zip(rows, texts, strict=True):
        found = list(places(text))
        if found:
            row[found] = SHARP / len(found) ** 0.5
    return rows


def ordinary() -> list[str]:
    """Harmless texts of other kinds: windows of them."""
    root, found = HERE.parents[2], []
    for file in ("pairs.en", "pairs.ko"):
        lines = (root / f"server/cache/semantic/data/{file}.jsonl").read_text(encoding="utf-8").splitlines()
        found += [json.loads(line)["a"] for line in lines][::2]
    found += [json.loads(line)["text"] for line in (HERE / "pii.jsonl").read_text(encoding="utf-8").splitlines()][::4]
    for page in sorted([*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("benchmarks/results/*/*.md")]):
        if page.name not in HELD_BACK:
            found += windows(page.read_text(encoding="utf-8"))
    return list(dict.fromkeys(found))


def fit(rows: Any, wanted: Any, weigh: Any) -> tuple[Any, float]:
    """Weights and bias. Adam on the whole set; `weigh`: how much each row counts."""
    import numpy as np

    weights, bias = np.zeros(rows.shape[1], np.float32), 0.0
    mean, square, bias_mean, bias_square = np.zeros_like(weights), np.zeros_like(weights), 0.0, 0.0
    share = weigh / weigh.sum()
    for step in range(1, STEPS + 1):
        wrong = (1 / (1 + np.exp(-(rows @ weights + bias))) - wanted) * share
        slope, bias_slope = wrong @ rows + 2 * DECAY * weights, float(wrong.sum())
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        bias_mean, bias_square = 0.9 * bias_mean + 0.1 * bias_slope, 0.999 * bias_square + 0.001 * bias_slope**2
        first, second = 1 - 0.9**step, 1 - 0.999**step
        weights = weights - 0.02 * (mean / first) / (np.sqrt(square / second) + 1e-8)
        bias -= 0.02 * (bias_mean / first) / ((bias_square / second) ** 0.5 + 1e-8)
    return weights, bias


def main() -> None:
    import numpy as np

    lines = [json.loads(line) for line in (HERE / "injection.jsonl").read_text(encoding="utf-8").splitlines()]
    wanted = np.array([line["label"] == "attack" for line in lines], np.float32)
    cut = [windows(line["text"]) for line in lines]
    owner = np.array([number for number, parts in enumerate(cut) for _ in parts])
    rows = matrix([part for parts in cut for part in parts])
    harmless = matrix(ordinary())
    rows_all = np.concatenate([rows, harmless])
    wanted_all = np.concatenate([wanted[owner], np.zeros(len(harmless), np.float32)])
    weigh = np.where(wanted_all > 0, 0.5 / wanted_all.sum(), 0.25 / (1 - wanted[owner]).sum()).astype(np.float32)
    weigh[len(rows) :] = 0.25 / len(harmless)
    fold = np.random.default_rng(0).permutation(len(lines)) % FOLDS
    scores = np.zeros(len(lines))
    for number in range(FOLDS):
        kept = np.concatenate([fold[owner] != number, np.ones(len(harmless), bool)])
        weights, bias = fit(rows_all[kept], wanted_all[kept], weigh[kept])
        said = rows @ weights + bias
        for text in np.flatnonzero(fold == number):
            scores[text] = said[owner == text].max()
    clean = np.sort(scores[wanted == 0])[::-1]
    at = clean[int(len(clean) * ALLOWED)]
    print(f"threshold {1 / (1 + np.exp(-at)):.3f}, recall {np.mean(scores[wanted > 0] > at):.1%} (cross-validated, {len(lines)} texts)")
    weights, bias = fit(rows_all, wanted_all, weigh)
    scale = float(np.abs(weights).max()) / 127
    small = np.clip(np.round(weights / scale), -127, 127).astype(np.int8)
    data = {"labels": ["benign", "injection"], "bias": bias, "scale": scale, "weights": base64.b64encode(small.tobytes()).decode()}
    (HERE / "injection.weights.json").write_text(json.dumps(data) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
