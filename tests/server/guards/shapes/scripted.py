"""Passages with a plain rule of their own, and clients that put a stream together as the `openai` package does."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from server.guards.passage import Kind, Open
from server.guards.shapes import Screen

REFUSAL = "I cannot say that."
FOUND = re.compile(r"\d{3,}|BOMB")
OPEN_END = re.compile(r"(?:\d+|B|BO|BOM)$")


class Numbers:
    """Numbers of three digits and more become [N]; the word BOMB blocks. What may become either is held back."""

    def __init__(self, place: str = "", kind: Kind = "text") -> None:
        self.place = place
        self.kind = kind
        self.blocked = False
        self.refusal = ""
        self.released = 0
        self.cuts: list[tuple[int, int]] = []
        self.text = ""

    async def feed(self, text: str) -> str:
        if self.blocked:
            return ""
        self.text += text
        start = self.text.rfind("BOMB", self.released)
        tail = OPEN_END.search(self.text, start + 4 if start >= 0 else self.released)
        return self._release(len(self.text) if tail is None else tail.start())

    async def finish(self) -> str:
        return "" if self.blocked else self._release(len(self.text))

    def _release(self, end: int) -> str:
        out = ""
        while (found := FOUND.search(self.text, self.released, end)) is not None:
            out += self.text[self.released : found.start()]
            self.cuts.append(found.span())
            if found[0] == "BOMB":
                self.blocked, self.refusal, self.released = True, REFUSAL, found.start()
                return out
            out += "[N]"
            self.released = found.end()
        out += self.text[self.released : end]
        self.released = end
        return out


class Sentences(Numbers):
    """Gives out whole sentences; one with the word bad in it blocks."""

    async def feed(self, text: str) -> str:
        if self.blocked:
            return ""
        self.text += text
        out = ""
        while (end := self.text.find(".", self.released)) >= 0 and not self.blocked:
            out += self._sentence(end + 1)
        return out

    def _sentence(self, end: int) -> str:
        sentence = self.text[self.released : end]
        if "bad" in sentence:
            self.blocked, self.refusal = True, REFUSAL
            return ""
        self.released = end
        return sentence

    async def finish(self) -> str:
        return "" if self.blocked else self._sentence(len(self.text))


def numbers(place: str, kind: Kind) -> Numbers:
    return Numbers(place, kind)


def sentences(place: str, kind: Kind) -> Sentences:
    return Sentences(place, kind)


def pieces(value: str, random: Random, most: int = 5) -> list[str]:
    out = []
    while value:
        size = random.randint(1, most)
        out.append(value[:size])
        value = value[size:]
    return out


def segments(stream: bytes, random: Random | None, most: int = 40) -> list[bytes]:
    """The stream as TCP might cut it; without `random` at once."""
    if random is None:
        return [stream]
    out = []
    while stream:
        size = random.randint(1, most)
        out.append(stream[:size])
        stream = stream[size:]
    return out


async def screened(path: str, stream: bytes, open_: Open, random: Random | None = None, usage: bool = True, choices: int = 1) -> bytes:
    """What a client gets of `stream`."""
    screen = Screen(path, open_, usage, choices)
    out = b""
    for segment in segments(stream, random):
        out += await screen.feed(segment)
        if screen.ended:
            return out
    return out + await screen.finish()


def sse(*events: Any, done: bool = True) -> bytes:
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + (b"data: [DONE]\n\n" if done else b"")


def events_of(stream: bytes) -> list[Any]:
    """The JSON of each event; the last is the string [DONE] where it came."""
    found = []
    for block in stream.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = b"\n".join(line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:"))
        if data:
            found.append("[DONE]" if data == b"[DONE]" else json.loads(data))
    return found


def assembled(stream: bytes) -> dict[int, dict[str, Any]]:
    """The choices of a stream of chat or completions, by number."""
    choices: dict[int, dict[str, Any]] = {}
    for chunk in events_of(stream):
        for piece in chunk["choices"] if isinstance(chunk, dict) and "choices" in chunk else ():
            choice = choices.setdefault(piece["index"], {"index": piece["index"]})
            for name, value in piece.items():
                if name in ("finish_reason", "stop_reason"):
                    choice[name] = value if value is not None else choice.get(name)
                elif name == "delta":
                    choice["message"] = choice.get("message", {})
                    add(choice["message"], value)
                elif name != "index" and value is not None:
                    add(choice, {name: value})
    return choices


def add(into: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        have = into.get(name)
        if have is None or name in ("index", "type", "id", "role"):
            into[name] = value
            if isinstance(value, list) and value and isinstance(value[0], dict) and "index" in value[0]:
                into[name] = []
                have = into[name]
            else:
                continue
        if isinstance(have, str) and isinstance(value, str):
            into[name] = have + value
        elif isinstance(have, dict) and isinstance(value, dict):
            add(have, value)
        elif isinstance(have, list) and isinstance(value, list):
            for item in value:
                if isinstance(item, dict) and isinstance(item.get("index"), int):
                    while len(have) <= item["index"]:
                        have.append({})
                    add(have[item["index"]], item)
                else:
                    have.append(item)


def plain(value: Any) -> Any:
    """Without what says nothing: nulls, empty texts, lists and objects, and the `index` of a tool call."""
    if isinstance(value, dict):
        items = {name: plain(item) for name, item in value.items() if name != "index"}
        return {name: item for name, item in items.items() if item not in (None, "", [], {})}
    return [plain(item) for item in value] if isinstance(value, list) else value
