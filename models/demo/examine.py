"""The examination: greedy answers to questions, and the share that is right to the letter."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from lessons.core import Question
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast


@torch.inference_mode()
def answers(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, questions: Sequence[Question], batch_size: int = 128) -> list[str]:
    """The model's greedy answer to each question, asked alone and without a system prompt."""
    model.set_attn_implementation("sdpa")
    # Answers of like length together, so that a batch ends when all of its rows do.
    order = sorted(range(len(questions)), key=lambda i: len(questions[i].answer))
    found = [""] * len(questions)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        inputs = tokenizer.apply_chat_template(
            [[{"role": "user", "content": questions[i].prompt}] for i in rows],
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
        )
        longest = max(len(tokenizer(questions[i].answer).input_ids) for i in rows) + 8
        output = model.generate(**inputs, max_new_tokens=longest, do_sample=False, top_k=None, temperature=None)
        texts = tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for i, text in zip(rows, texts, strict=True):
            found[i] = text
    return found


def score(questions: Sequence[Question], found: Sequence[str]) -> dict[str, float]:
    """Exact matches, as shares: over all, by language, and by topic and language."""
    marks: dict[str, list[bool]] = defaultdict(list)
    for question, answer in zip(questions, found, strict=True):
        for name in ("all", question.language, f"{question.topic} {question.language}"):
            marks[name].append(answer == question.answer)
    return {name: round(sum(right) / len(right), 4) for name, right in marks.items()}
