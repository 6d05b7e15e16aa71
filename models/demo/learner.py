"""Learning from conversations: batches of tokens, the loss on what the model says, the optimizer's steps."""

import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, islice

import torch
from lessons.conversations import Conversation, render, stream
from parallel import Team
from tokenizer import MAX_LENGTH
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

Batch = tuple[Tensor, Tensor]  # token ids (rows, length); weight of each in the loss, same shape
POOL = 3072  # conversations that are sorted by length together, so that little of a batch is padding
MUON_RATE, ADAM_RATE = 0.025, 3e-3
BRACES = ("{", "[")
LONGEST = 1280  # tokens; what is longer is cut


def make_model(
    tokenizer: PreTrainedTokenizerFast, hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int, seed: int
) -> LlamaForCausalLM:
    """A Llama with random weights for this tokenizer; heads are 64 wide."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=hidden,
            intermediate_size=intermediate,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            head_dim=64,
            max_position_embeddings=MAX_LENGTH,
            tie_word_embeddings=True,
            rope_theta=10000.0,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def tokenise(
    conversations: list[Conversation], tokenizer: PreTrainedTokenizerFast, prompt_weight: float
) -> list[tuple[list[int], list[float]]]:
    """Ids and loss weights of every conversation: 1 where the model speaks, `prompt_weight` elsewhere.

    A forced answer's opening brace weighs nothing: the grammar, not the model, opens it. In every other one it is a
    token of its own, since a grammar may choose `{` where the tokenizer would have written `{"`.
    """
    pieces = [_opened(render(c)) if c.forced and number % 2 else render(c) for number, c in enumerate(conversations)]
    encoded = iter(tokenizer.backend_tokenizer.encode_batch_fast([text for piece in pieces for text, _ in piece], add_special_tokens=False))
    rows = []
    for conversation, piece in zip(conversations, pieces, strict=True):
        ids: list[int] = []
        weights: list[float] = []
        apart = False
        for text, speaks in piece:
            new = next(encoded).ids
            ids += new
            weights += [1.0 if speaks else prompt_weight] * len(new)
            if conversation.forced and (text in BRACES or (speaks and not apart)):
                weights[-len(new)] = 0.0
            apart = text in BRACES
        rows.append((ids[:LONGEST], weights[:LONGEST]))
    return rows


def _opened(pieces: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """The same, where what the model says has its opening brace as a piece of its own."""
    opened: list[tuple[str, bool]] = []
    for text, speaks in pieces:
        opened += [(text[0], False), (text[1:], True)] if speaks and text[0] in BRACES else [(text, speaks)]
    return opened


def batches(tokenizer: PreTrainedTokenizerFast, seed: int, tokens: int, polish: bool = False) -> Iterator[Batch]:
    """Batches of up to `tokens` ids with padding, without end; rows of like length lie together."""
    conversations, rng = stream(seed, polish), random.Random(seed)
    for turn in count():
        # Now and then the prompts are learnt too: a model that only answers would find any text surprising.
        rows = tokenise(list(islice(conversations, POOL)), tokenizer, prompt_weight=0.0 if turn % 5 else 0.2)
        rows.sort(key=lambda row: len(row[0]))
        groups: list[list[tuple[list[int], list[float]]]] = [[]]
        for row in rows:
            if (len(groups[-1]) + 1) * len(row[0]) > tokens:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        for group in filter(None, groups):
            width = max(len(ids) for ids, _ in group)
            yield (
                torch.tensor([ids + [tokenizer.pad_token_id] * (width - len(ids)) for ids, _ in group]),
                torch.tensor([weights + [0.0] * (width - len(weights)) for _, weights in group]),
            )


def spoken(model: LlamaForCausalLM, batch: Batch, least: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (n, vocabulary) for the tokens that weigh more than `least`, these tokens (n) and weights (n)."""
    ids, weights = batch
    # Measured on two cores: plain attention is a third faster on short rows, the fused kernel on long ones.
    model.set_attn_implementation("eager" if ids.shape[1] <= 256 else "sdpa")
    targets, weights = ids[:, 1:], weights[:, 1:]
    chosen = weights > least
    with torch.autocast("cpu", torch.bfloat16):
        # Rows are padded on the right only: under the causal mask no token sees the padding.
        hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[chosen])
    return logits.float(), targets[chosen], weights[chosen]


def answer_loss(model: LlamaForCausalLM, batch: Batch) -> Tensor:
    """Cross-entropy a token, weighted."""
    logits, targets, weights = spoken(model, batch)
    return (functional.cross_entropy(logits, targets, reduction="none") * weights).sum() / weights.sum()


def learn(
    model: LlamaForCausalLM,
    source: Iterator[Batch],
    loss_of: Callable[[LlamaForCausalLM, Batch], Tensor],
    steps: int,
    label: str,
    team: Team,
    minutes: float = math.inf,
    warmup: int = 50,
    scale: float = 1.0,
) -> dict[str, float]:
    """Takes `steps` steps, the rates (times `scale`) rising over `warmup` and falling to zero; returns what it took.

    Matrices are learnt with Muon (Jordan et al. 2024), embeddings and norms with AdamW: on these lessons Muon is where
    AdamW alone is after three times the tokens. Where `minutes` would be over sooner, the rates fall by the clock instead:
    fewer steps, a whole schedule.
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    optimizers = [
        torch.optim.Muon(matrices, lr=MUON_RATE, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(others, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]
    model.train()
    started, step, tokens, smooth, elapsed = time.monotonic(), 0, 0.0, math.nan, 0.0
    with tqdm(total=steps, desc=label, unit="step", file=sys.stderr, mininterval=2.0, disable=not team.leads) as bar:
        while (done := max(step / steps, elapsed / (60 * minutes))) < 1:
            for optimizer, rate in zip(optimizers, (MUON_RATE, ADAM_RATE), strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = scale * rate * min((step + 1) / warmup, 1 - done)
            batch = next(source)
            loss = loss_of(model, batch)
            loss.backward()
            figures = [loss.item(), float(batch[0].numel()), time.monotonic() - started]
            mean, seen, elapsed = team.average_gradients(model, figures)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            step, tokens = step + 1, tokens + seen * team.size
            smooth = mean if math.isnan(smooth) else 0.98 * smooth + 0.02 * mean
            bar.set_postfix(loss=f"{smooth:.4f}", tokens_per_s=f"{tokens / elapsed:.0f}", refresh=False)
            bar.update()
    model.eval()
    return {"steps": step, "tokens": round(tokens), "seconds": round(elapsed), "loss": round(smooth, 4)}
