"""The texts that perplexity is measured on and the questions that are asked: the defaults, and files of the user's own."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from quantize import digest, manifest
from quantize.errors import EvaluationError

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "models" / "demo"
DEMO_QUESTIONS = DEMO / "questions" / "heldout.jsonl"
PASSAGES = Path(__file__).parent / "data" / "passages.jsonl"
PIECE = 2000  # characters; paragraphs of a plain text file are joined up to this length
FORMS = '{"messages": [...]}, {"prompt": ..., "answer": ...} or {"text": ...}'

Message = dict[str, Any]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Text:
    """A chat (`messages`) or a plain text."""

    text: str = ""
    messages: tuple[Message, ...] = ()

    @property
    def plain(self) -> str:
        """For a model without a chat template: the turns, one a line."""
        return self.text or "\n".join(str(message.get("content", "")) for message in self.messages)


@dataclass(frozen=True)
class Question:
    prompt: str
    answer: str
    language: str = ""


def is_demo(folder: Path) -> bool:
    """Whether `folder` is the demo model or was made from it, by the digest of the weights."""
    if folder.resolve() == DEMO.resolve():
        return True
    if not any(DEMO.glob("*.safetensors")):
        return False
    made = manifest.read(folder)
    if made is not None:
        return made.base.digest == digest.weights(DEMO)
    return _weights_size(folder) == _weights_size(DEMO) and digest.weights(folder) == digest.weights(DEMO)


def _weights_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def read_texts(file: Path) -> list[Text]:
    """The texts of a JSONL file (chats, pairs or texts), or of a plain text file. Raises EvaluationError with the line."""
    if file.suffix not in (".jsonl", ".json", ".ndjson"):
        texts = [Text(piece) for piece in _pieces(_read(file))]
    else:
        texts = [_text(data, where) for data, where in _lines(file)]
    if not texts:
        raise EvaluationError(f"{file} holds no texts: write one JSON object a line, {FORMS}, or plain text in a .txt file")
    return texts


def read_questions(file: Path) -> list[Question]:
    """The questions of a JSONL file. Raises EvaluationError with the line."""
    questions = []
    for data, where in _lines(file):
        for key in ("prompt", "answer"):
            if not isinstance(data.get(key), str) or not data[key].strip():
                raise EvaluationError(f'{where}: "{key}" is missing or no text: write {{"prompt": ..., "answer": ...}}')
        questions.append(Question(data["prompt"], data["answer"], str(data.get("language") or "")))
    if not questions:
        raise EvaluationError(f'{file} holds no questions: write one a line, {{"prompt": ..., "answer": ...}}')
    return questions


def draw(items: Sequence[Item], most: int | None, seed: int) -> list[Item]:
    """At most `most` of them in their order, drawn by `seed`; None: all."""
    if most is None or most >= len(items):
        return list(items)
    return [items[place] for place in sorted(random.Random(seed).sample(range(len(items)), most))]


def _text(data: dict[str, Any], where: str) -> Text:
    if isinstance(data.get("messages"), list) and data["messages"]:
        for message in data["messages"]:
            if not isinstance(message, dict) or not isinstance(message.get("role"), str) or not message.get("content"):
                raise EvaluationError(f'{where}: a message needs "role" and "content": write {{"role": "user", "content": "Hello"}}')
        return Text(messages=tuple(data["messages"]))
    if isinstance(data.get("prompt"), str) and isinstance(data.get("answer"), str):
        return Text(messages=({"role": "user", "content": data["prompt"]}, {"role": "assistant", "content": data["answer"]}))
    if isinstance(data.get("text"), str) and data["text"].strip():
        return Text(data["text"])
    raise EvaluationError(f"{where} holds none of {FORMS}")


def _lines(file: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Each object of a JSONL file with where it stands; empty lines are passed over."""
    for number, line in enumerate(_read(file).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            data = json.loads(line)
        except ValueError as error:
            raise EvaluationError(f"{where} is not JSON ({error}): write one object a line, such as {FORMS}") from None
        if not isinstance(data, dict):
            raise EvaluationError(f"{where} is no JSON object: write one of {FORMS}")
        yield data, where


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise EvaluationError(f"no file at {file}: check the path") from None
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{file} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise EvaluationError(f"cannot read {file}: {error.strerror}") from None


def _pieces(text: str) -> Iterator[str]:
    """Paragraphs (parted by empty lines), joined to pieces of at most PIECE characters where they are shorter."""
    piece = ""
    for paragraph in filter(None, (part.strip() for part in text.replace("\r\n", "\n").split("\n\n"))):
        if piece and len(piece) + len(paragraph) > PIECE:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{paragraph}" if piece else paragraph
    if piece:
        yield piece
