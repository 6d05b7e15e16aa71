"""The small files of a model that a checkpoint made from it needs as they are: tokenizer, chat template, generation."""

from __future__ import annotations

import shutil
from pathlib import Path

NAMES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "additional_chat_templates",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
)


def copy(source: Path, out: Path) -> None:
    """Copy those of NAMES that `source` has (and `*.tiktoken`), byte for byte, over what a library wrote of them."""
    for path in (*(source / name for name in NAMES), *sorted(source.glob("*.tiktoken"))):
        if path.is_dir():
            shutil.copytree(path, out / path.name, dirs_exist_ok=True)
        elif path.is_file():
            shutil.copyfile(path, out / path.name)
