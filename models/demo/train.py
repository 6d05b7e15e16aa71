"""Trains the demo model and its draft from nothing: `python models/demo/train.py`.

Tokenizer, questions, model, draft and examination, on two CPU cores in half an hour or less. All data
is made by `lessons/`; the seed decides everything. The result replaces the old one only when it is whole.
"""

import argparse
import json
import math
import shutil
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch
from draft import agreement, save, train_draft
from examine import answers, score
from learner import answer_loss, batches, learn, make_model
from lessons.conversations import held_out_questions, taught_questions
from lessons.core import Question
from tokenizer import train_tokenizer

HERE = Path(__file__).parent
HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS = 256, 512, 4, 4, 2


def write_questions(path: Path, questions: Iterable[Question]) -> None:
    """One JSON object a line: prompt, answer, language, topic."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(question), ensure_ascii=False) + "\n" for question in questions), encoding="utf-8")


def build(folder: Path, steps: int, draft_steps: int, seed: int, minutes: float) -> dict[str, object]:
    """Makes everything in `folder`; returns the report, which is also written there as report.json."""
    started = time.monotonic()
    tokenizer = train_tokenizer(seed)
    write_questions(folder / "questions/heldout.jsonl", held_out_questions())
    write_questions(folder / "questions/taught.jsonl", taught_questions())

    model = make_model(tokenizer, HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS, seed)
    source = batches(tokenizer, seed, tokens=3072)
    learnt = learn(model, source, answer_loss, steps, rate=2.5e-3, label="demo model", minutes=0.85 * minutes)
    save(model, tokenizer, folder)
    model.float()  # with the rounding of what is served, which the draft is to follow
    draft, distilled = train_draft(model, tokenizer, draft_steps, seed + 1, minutes=0.15 * minutes)
    agreed = agreement(model, draft, tokenizer, seed + 2)
    save(draft, tokenizer, folder / "draft")

    questions = held_out_questions()
    found = answers(model, tokenizer, questions)
    report: dict[str, object] = {
        "model": learnt,
        "draft": distilled,
        "draft_agreement": round(agreed, 4),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "held_out_exact": score(questions, found),
    }
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    wrong = [(question, answer) for question, answer in zip(questions, found, strict=True) if question.answer != answer]
    for question, answer in wrong[:40]:
        print(f"wrong: {question.prompt!r} -> {answer!r}, not {question.answer!r}")
    return report


def put_in_place(made: Path, out: Path) -> None:
    """Moves what was made to where it belongs, file by file, each by one rename."""
    out.mkdir(parents=True, exist_ok=True)
    for file in sorted(path for path in made.rglob("*") if path.is_file()):
        target = out / file.relative_to(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)


def main() -> None:
    """Reads the flags, builds beside the target, and moves the result there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE, help="folder for the model (default: the script's own)")
    parser.add_argument("--steps", type=int, default=7500, help="steps of about 3,000 tokens for the model (default: 7500)")
    parser.add_argument("--draft-steps", type=int, default=1200, help="steps of about 4,000 tokens for the draft (default: 1200)")
    parser.add_argument("--seed", type=int, default=0, help="decides data, weights and order (default: 0)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop by then with fewer steps (default: no limit)")
    parser.add_argument("--threads", type=int, default=2, help="CPU cores to use (default: 2)")
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    flags.out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".demo-model-", dir=flags.out.parent))
    try:
        report = build(made, flags.steps, flags.draft_steps, flags.seed, flags.minutes)
        put_in_place(made, flags.out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
