"""Whether the server's count of output tokens (`usage`) is to be believed: some answers are counted again with the tokenizer.

The two need not be equal for an honest server. An engine may write a text in other tokens than its tokenizer would (the more, the
less the model knows: random weights), special tokens such as the end of the answer are counted and leave no text, and half a letter is
shown as a replacement character. So each answer has a second witness, its events: an engine sends one for each token or for a few.
A difference is unexplained where usage lies outside what the two witnesses say, or where the text has LOOSE times as many tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.loadgen.records import Level, Record
from benchmarks.prompts.fill import together as gathered
from benchmarks.prompts.tokenizer import Tokenizer

TOLERANCE = 0.02  # share of the output tokens that may stay unexplained
LOOSE = 1.5  # a text may have so many times the tokens it was written in, where the model writes unusual ones
BROKEN = "\N{REPLACEMENT CHARACTER}"


async def count_tokens(level: Level, tokenizer: Tokenizer, sample: int) -> dict[str, Any]:
    """Count up to `sample` answers of the level, spread over it. The sums are kept so that `together` can add levels up."""
    whole = [record for record in level.records if record.error is None and record.completion_tokens is not None]
    chosen = [whole[place * len(whole) // min(sample, len(whole))] for place in range(min(sample, len(whole)))]
    counts = [len(ids) for ids in await gathered(tokenizer.encode(record.text) for record in chosen)]
    differences = [count - (record.completion_tokens or 0) for record, count in zip(chosen, counts, strict=True)]
    known = [record for record in whole if record.input_tokens and record.prompt_tokens is not None]
    return _verdict(
        {
            "tokenizer": tokenizer.name,
            "checked": len(chosen),
            "equal": sum(_equal(record, count) for record, count in zip(chosen, counts, strict=True)),
            "largest_difference": max(map(abs, differences), default=0),
            "difference": sum(map(abs, differences)),
            "unexplained": sum(_unexplained(record, count) for record, count in zip(chosen, counts, strict=True)),
            "output_tokens": sum(record.completion_tokens or 0 for record in chosen),
            "prompts_checked": len(known),
            "prompts_equal": sum(record.input_tokens == record.prompt_tokens for record in known),
        }
    )


def together(counted: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The checks of several levels as one; None without any."""
    if not counted:
        return None
    added = {key: sum(one[key] for one in counted) for key in counted[0] if type(counted[0][key]) is int}
    largest = max(one["largest_difference"] for one in counted)
    return _verdict(added | {"tokenizer": counted[0]["tokenizer"], "largest_difference": largest})


def _equal(record: Record, count: int) -> bool:
    """The token that ended the answer is in usage and not in the text."""
    ended = record.finish_reason not in (None, "length")
    return count == record.completion_tokens or (ended and count + 1 == record.completion_tokens)


def _unexplained(record: Record, count: int) -> int:
    """Tokens that neither the text nor the events account for."""
    usage, events = record.completion_tokens or 0, len(record.times)
    least = min(count, events) if BROKEN in record.text else max(min(count, events), int(count / LOOSE))
    most = max(count, events) + 1  # the end of the answer need not have an event
    if usage == record.output_limit and record.finish_reason == "length":
        most = usage  # as many as were asked for: where the end is ignored, special tokens leave no text
    return max(least - usage, usage - most, 0)


def _verdict(sums: dict[str, Any]) -> dict[str, Any]:
    checked, tokens = sums["checked"], sums["output_tokens"]
    agrees = sums["unexplained"] <= TOLERANCE * tokens
    return sums | {
        "mean_difference": round(sums["difference"] / checked, 3) if checked else None,
        "agrees": agrees if checked else None,
        "note": _words(sums, agrees),
    }


def _words(sums: dict[str, Any], agrees: bool) -> str:
    checked, equal = sums["checked"], sums["equal"]
    if not checked:
        return "no answer came with a usage count, so nothing could be counted again"
    said = f"{equal} of {checked} answers have as many tokens as usage says"
    if not agrees:
        said += (
            f"; {sums['unexplained']} of {sums['output_tokens']} tokens are explained by neither the text nor the number of events: "
            "the server counts otherwise, or the tokenizer is not its own, and tokens/s may be wrong"
        )
    elif equal < checked:
        said += "; the rest differ as texts do that are tokenized anew (other splits of the same letters, special tokens without text)"
    if wrong := sums["prompts_checked"] - sums["prompts_equal"]:
        said += f". {wrong} of {sums['prompts_checked']} prompts had another length for the server than they were made with"
    return said
