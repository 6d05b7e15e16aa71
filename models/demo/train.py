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
from parallel import Team, together
from tokenizer import train_tokenizer
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).parent
HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS = 256, 512, 4, 4, 2


def write_questions(path: Path, questions: Iterable[Question]) -> None:
    """One JSON object a line: prompt, answer, language, topic."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(asdict(question), ensure_ascii=False) + "\n" for question in questions), encoding="utf-8")


def polish(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int, seed: int, team: Team) -> dict[str, float]:
    """A second, gentle round with more of what a model learns last: copying the names of tools, JSON, counting."""
    source = batches(tokenizer, seed + 500 + 1000 * team.rank, tokens=4096, polish=True)
    return learn(model, source, answer_loss, steps, "polish", team, scale=0.25)


def build(team: Team, folder: Path, steps: int, polish_steps: int, draft_steps: int, seed: int, minutes: float) -> None:
    """Makes model and draft in `folder`, which holds the tokenizer already; the leader writes report.json there too."""
    started = time.monotonic()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)

    model = make_model(tokenizer, HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS, seed)
    source = batches(tokenizer, seed + 1000 * team.rank, tokens=4096)
    learnt = learn(model, source, answer_loss, steps, "demo model", team, minutes=0.87 * minutes)
    polished = polish(model, tokenizer, polish_steps, seed, team)
    if team.leads:
        save(model, tokenizer, folder)
    model.to(torch.bfloat16).float()  # with the rounding of what is served, which the draft is to follow
    draft, distilled = train_draft(model, tokenizer, draft_steps, seed + 1, team, minutes=0.13 * minutes)
    if not team.leads:
        return
    agreed = agreement(model, draft, tokenizer, seed + 2)
    save(draft, tokenizer, folder / "draft")

    questions = held_out_questions()
    found = answers(model, tokenizer, questions)
    report: dict[str, object] = {
        "model": learnt,
        "polish": polished,
        "draft": distilled,
        "draft_agreement": round(agreed, 4),
        "minutes": round((time.monotonic() - started) / 60, 1),
        "held_out_exact": score(questions, found),
    }
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    wrong = [(question, answer) for question, answer in zip(questions, found, strict=True) if question.answer != answer]
    for question, answer in wrong[:40]:
        print(f"wrong: {question.prompt!r} -> {answer!r}, not {question.answer!r}")


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
    parser.add_argument("--steps", type=int, default=2450, help="steps for the model, of about 4,000 tokens a process (default: 2450)")
    parser.add_argument("--polish-steps", type=int, default=420, help="the same for its second round (default: 420)")
    parser.add_argument("--draft-steps", type=int, default=600, help="the same for the draft (default: 600)")
    parser.add_argument("--seed", type=int, default=0, help="decides data, weights and order (default: 0)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop by then with fewer steps (default: no limit)")
    parser.add_argument("--processes", type=int, default=2, help="processes that learn together, one core each (default: 2)")
    flags = parser.parse_args()
    flags.out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".demo-model-", dir=flags.out.parent))
    try:
        write_questions(made / "questions/heldout.jsonl", held_out_questions())
        write_questions(made / "questions/taught.jsonl", taught_questions())
        train_tokenizer(flags.seed).save_pretrained(made)
        together(flags.processes, build, made, flags.steps, flags.polish_steps, flags.draft_steps, flags.seed, flags.minutes)
        put_in_place(made, flags.out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    print((flags.out / "report.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
