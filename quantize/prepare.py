"""The calibration set as token ids, drawn by a process of its own: tokenizers and data sets are heavy, and they print.

    python -m quantize.prepare SOURCE RECIPE.json OUT.jsonl

writes one list of token ids a line and says {"source", "digest", "samples", "tokens", "warnings"}, or {"error", "message"}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from quantize.child import Say, run
from quantize.recipe import Recipe


def main(argv: list[str]) -> int:
    def work(say: Say) -> None:
        from quantize import calibration, source

        recipe = Recipe.model_validate_json(Path(argv[1]).read_text(encoding="utf-8"))
        drawn = calibration.prepare(source.read(Path(argv[0])), recipe)
        Path(argv[2]).write_text("".join(f"{json.dumps(sample)}\n" for sample in drawn.samples), encoding="utf-8")
        say(source=drawn.source, digest=drawn.digest, samples=len(drawn.samples), tokens=drawn.tokens, warnings=list(drawn.warnings))

    return run(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
