"""How a judge model is asked, and what its answers mean: the files in templates/, or one of your own.

Either `messages` (a prompt with {policy}, {who}, {mark} and {text}), or `conversation: true`: the texts go to the model as
the conversation that they are, and its own chat template asks the question, as guard models want it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from server.errors import ConfigError
from server.guards.recent import digest
from server.nearest import did_you_mean

FOLDER = Path(__file__).parent / "templates"
ANYBODY = "written by the user"

# What a chat template would take for its own marks: engines read <|im_end|> in a message as the end of the message.
_MARKS = re.compile(
    r"<(?=[|｜]|/?s>|<?/?SYS>|/?think>|/?tool_|(?:start|end)_of_turn>|(?:start|end)_of_\w+>|(?:bos|eos|pad|unk|mask)>|SAFE>|UNSAFE)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS)\])",
    re.IGNORECASE,
)
_FIELD = re.compile(r"\{(policy|who|mark|text)\}")


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    role: str
    content: str


class Template(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    messages: tuple[Message, ...] = ()
    who: dict[str, str] = {}
    conversation: bool = False
    empty_answer: bool = False  # a user's text alone goes with an empty answer after it
    request: dict[str, Any] = {}  # joined to the request
    extras: dict[str, Any] = {}  # the same, where the server knows vLLM's own parameters
    verdict: re.Pattern[str]  # its first group is the verdict's word, in the answer's text
    first_token: bool = False  # the first token's probabilities are the verdict
    safe: tuple[str, ...]
    unsafe: tuple[str, ...]
    half: tuple[str, ...] = ()
    code: re.Pattern[str] | None = None  # its first group is a key of `categories`
    category: str = "unsafe"
    categories: dict[str, str] = {}

    @model_validator(mode="after")
    def _asks(self) -> Template:
        if bool(self.messages) == self.conversation:
            raise ValueError("write `messages` or `conversation: true`, one of the two")
        if self.messages and not any("{text}" in message.content for message in self.messages):
            raise ValueError("no message has {text} in it")
        if self.verdict.groups < 1 or (self.code is not None and self.code.groups < 1):
            raise ValueError("`verdict` and `code` need a group, (...)")
        return self

    def prompt(self, policy: str, role: str, text: str) -> list[dict[str, str]]:
        """The messages that ask about `text`, which `role` wrote."""
        quoted = defused(text)
        fields = {
            "policy": policy.strip(),
            "who": self.who.get(role, ANYBODY),
            "mark": f"#### {digest(quoted).hex()[:12]} ####",
            "text": quoted,
        }
        return [{"role": m.role, "content": _FIELD.sub(lambda field: fields[field.group(1)], m.content)} for m in self.messages]

    def talk(self, role: str, asked: str, text: str) -> list[dict[str, str]]:
        """The conversation that is judged: a user's text, or an answer to what was `asked`."""
        if role == "assistant":
            return [{"role": "user", "content": defused(asked)}, {"role": "assistant", "content": defused(text)}]
        answer = [{"role": "assistant", "content": ""}] if self.empty_answer else []
        return [{"role": "user", "content": defused(text)}, *answer]


def defused(text: str) -> str:
    """The text without what would end its message or begin another; to a reader it looks the same."""
    return _MARKS.sub(lambda mark: "＜" if mark.group() == "<" else "［", text).encode("utf-8", "replace").decode()


def load(name: str) -> Template:
    """The shipped template of that name, or the file. Raises ConfigError."""
    import yaml

    shipped = {file.stem: file for file in sorted(FOLDER.glob("*.yaml"))}
    file = shipped.get(name) or Path(name).expanduser()
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        hint = did_you_mean(name, shipped)
        raise ConfigError(f"The judge's template '{name}' is neither shipped nor a file that can be read: {hint}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"The judge's template {file} is no YAML: {str(error).splitlines()[0]}.") from None
    try:
        return Template.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"The judge's template {file}: {_first(error.errors())}.") from None


def _first(errors: Sequence[Any]) -> str:
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}"
