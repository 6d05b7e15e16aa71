"""How a chat is shown: to people in colour with timing, to a pipe as plain text, to programs as JSON lines."""

from __future__ import annotations

import re
import sys
from typing import Any, TextIO

from server.terminal.chat.answer import Answer
from server.terminal.output import print_json

CLEAR_LINE = "\r\x1b[2K"
ENDINGS = {"length": "stopped at the token limit", "content_filter": "stopped by a guard", "tool_calls": "asked for a tool"}


class Screen:
    """`people`: a terminal; else a pipe, which gets the answers and nothing else. `as_json`: one JSON line an answer."""

    def __init__(self, *, people: bool, as_json: bool = False, colour: bool = True, out: TextIO | None = None, err: TextIO | None = None):
        self.people, self.as_json = people and not as_json, as_json
        self.colour = self.people and colour
        self.out, self.err = out or sys.stdout, err or sys.stderr
        self.failed = False
        self._thinking = False
        self._mid_line = False
        self._waiting = False
        self._waited_for = ""

    def piece(self, kind: str, text: str) -> None:
        """A piece of an answer as it comes; reasoning is dim, and only people see it."""
        self._stop_waiting()
        if kind == "reasoning":
            self._thinking = True
            self._write(self.dim(text) if self.people else "")
        else:
            self._write(f"\n\n{text}" if self._thinking and self.people else text)
            self._thinking = False

    def ending(self, question: str, model: str, answer: Answer, *, stopped: bool) -> None:
        """After an answer: why it ended, TTFT, tokens/s."""
        self._stop_waiting()
        self._thinking = False
        if self.as_json:
            self._json(question, model, answer)
            return
        facts = ["stopped"] if stopped else [ENDINGS[answer.finish_reason]] if answer.finish_reason in ENDINGS else []
        facts += [f"TTFT {answer.ttft * 1000:.0f} ms"] if answer.ttft is not None else []
        facts += [f"{answer.completion_tokens} tokens"] if answer.completion_tokens else []
        facts += [f"{answer.tokens_per_second:.0f} tokens/s"] if answer.tokens_per_second else []
        if self._mid_line or stopped:
            self._write("\n")
        if self.people and facts:
            self._write(self.dim(" · ".join(facts)) + "\n\n")

    def _json(self, question: str, model: str, answer: Answer) -> None:
        if not answer.started and not answer.finish_reason:
            return  # its error has been printed
        fields: dict[str, Any] = {"model": model, "question": question, "answer": answer.text}
        fields |= {"reasoning": answer.reasoning} if answer.reasoning else {}
        fields |= {"finish_reason": answer.finish_reason, "completion_tokens": answer.completion_tokens}
        print_json(fields | {"ttft_seconds": answer.ttft, "tokens_per_second": answer.tokens_per_second})

    def waiting(self, message: str) -> None:
        """What is waited for: people see one line that changes, a pipe one line each time more than a number changes."""
        message = re.sub(r":? try again.*", "", message)  # advice for programs; we do
        if self.people:
            self._waiting = True
            self.out.write(f"{CLEAR_LINE}{self.dim(f'waiting: {message}')}")
            self.out.flush()
        elif (phase := re.sub(r"\d+", "", message)) != self._waited_for:
            self._waited_for = phase
            print(f"waiting: {message}", file=self.err, flush=True)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self.out.write(CLEAR_LINE)
            self.out.flush()

    def note(self, text: str) -> None:
        """Something about the session, not an answer: for people."""
        self._stop_waiting()
        if self.people:
            print(self.dim(text), file=self.out, flush=True)

    def error(self, message: str) -> None:
        self.failed = True
        self._stop_waiting()
        if self._mid_line:
            self._write("\n")
        if self.as_json:
            print_json({"error": {"message": message}})
        else:
            print(f"error: {message}", file=self.err, flush=True)

    def dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self.colour else text

    def _write(self, text: str) -> None:
        if text and not self.as_json:
            self.out.write(text)
            self.out.flush()
            self._mid_line = not text.endswith("\n")
