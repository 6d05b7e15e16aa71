"""The tokenizer: byte-level BPE learnt from the lessons, with the chat template beside it."""

from itertools import islice
from pathlib import Path

from lessons.conversations import render, stream
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
# Part of the text, not of the frame: the tool parser reads them, so decoding must keep them.
TOOL_MARKS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<tools>", "</tools>")
VOCABULARY = 2048
# Words, runs of signs and white space apart; every digit alone, which makes sums learnable.
SPLIT = r" ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
TEMPLATE = Path(__file__).with_name("chat_template.jinja")
MAX_LENGTH = 2048


def train_tokenizer(seed: int, conversations: int = 20_000) -> PreTrainedTokenizerFast:
    """A tokenizer learnt from conversations of this seed. Any text comes back unchanged from it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(TOOL_MARKS),
        special_tokens=[END_OF_TEXT, TURN_START, TURN_END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = ("".join(text for text, _ in render(conversation)) for conversation in islice(stream(seed), conversations))
    tokenizer.train_from_iterator((_without_marks(text) for text in texts), trainer)
    tokenizer.add_tokens(list(TOOL_MARKS))
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        model_max_length=MAX_LENGTH,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    wrapped.chat_template = TEMPLATE.read_text(encoding="utf-8")
    return wrapped


def _without_marks(text: str) -> str:
    for mark in (TURN_START, TURN_END, *TOOL_MARKS):
        text = text.replace(mark, "\n")
    return text
