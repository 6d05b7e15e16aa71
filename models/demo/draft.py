"""The draft: a much smaller model that learns to say what the demo model would say next."""

import math
from pathlib import Path

import torch
from learner import Batch, batches, learn, make_model, spoken
from parallel import Team
from torch import Tensor
from torch.nn import functional
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS = 128, 256, 2, 2, 2


def train_draft(
    teacher: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, steps: int, seed: int, team: Team, minutes: float = math.inf
) -> tuple[LlamaForCausalLM, dict[str, float]]:
    """A draft taught on the teacher's distribution over each next token of its answers (distillation)."""
    draft = make_model(tokenizer, HIDDEN, INTERMEDIATE, LAYERS, HEADS, KV_HEADS, seed)

    def loss(model: LlamaForCausalLM, batch: Batch) -> Tensor:
        # Answers only; vLLM accepts a proposal where the teacher would have said it, so the teacher is the target.
        with torch.inference_mode():
            wanted = spoken(teacher, batch, least=0.5)[0]
        logits, _, _ = spoken(model, batch, least=0.5)
        return functional.kl_div(logits.log_softmax(-1), wanted.clone().log_softmax(-1), log_target=True, reduction="batchmean")

    taken = learn(draft, batches(tokenizer, seed + 1000 * team.rank, tokens=4096), loss, steps, "draft", team, minutes)
    return draft, taken


def agreement(teacher: LlamaForCausalLM, draft: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, seed: int, count: int = 12) -> float:
    """Share of answer tokens where both have the same first choice: about what vLLM will accept one by one."""
    same = total = 0
    source = batches(tokenizer, seed, tokens=4096)
    with torch.inference_mode():
        for _ in range(count):
            batch = next(source)
            left, right = (spoken(model, batch, least=0.5)[0].argmax(-1) for model in (teacher, draft))
            same, total = same + int((left == right).sum()), total + len(left)
    return same / total


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Weights in bfloat16, configuration, tokenizer: a folder that transformers and vLLM load."""
    model.set_attn_implementation("sdpa")
    # vLLM takes these as the defaults of a request that names no temperature: nearly greedy, and still overridable.
    model.generation_config.update(
        do_sample=True, temperature=0.1, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
