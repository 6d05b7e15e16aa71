"""The session: what was said, the commands, one answer at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from server.nearest import did_you_mean, nearest
from server.terminal.chat.answer import Answer, Message, explain, retry_after, stream
from server.terminal.chat.screen import Screen

if TYPE_CHECKING:
    import openai

HELP = {
    "/model [NAME]": "list the models, or switch to one",
    "/system [TEXT]": "show the system prompt, or set it (/system - removes it)",
    "/reset": "forget what was said",
    "/help": "this list",
    "/exit": "leave (Ctrl-D too)",
}
COMMANDS = [usage.split()[0] for usage in HELP]


class Session:
    """A conversation with one model at a time; `feed` takes what a person types."""

    def __init__(
        self,
        client: openai.OpenAI,
        models: Sequence[str],
        model: str,
        screen: Screen,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.client, self.models, self.model, self.screen = client, list(models), model, screen
        self.clock, self.sleep = clock, sleep
        self.url = str(client.base_url).rstrip("/")
        self.system: str | None = None
        self.said: list[Message] = []

    def feed(self, line: str) -> bool:
        """Do what `line` asks. Returns False when the session is over."""
        line = line.strip()
        if line.startswith("/"):
            return self._command(line)
        if line:
            self._ask(line)
        return True

    def complete(self, line: str) -> list[str]:
        """What the Tab key may make of `line`."""
        if line.startswith("/model "):
            return [f"/model {name}" for name in self.models if name.startswith(line.removeprefix("/model "))]
        return [command for command in COMMANDS if line.startswith("/") and command.startswith(line)]

    def _command(self, line: str) -> bool:
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        match word:
            case "/exit" | "/quit":
                return False
            case "/help":
                self.screen.note("\n".join(f"{usage:<16}{what}" for usage, what in HELP.items()))
            case "/reset":
                self.said.clear()
                self.screen.note("forgotten; the system prompt stays" if self.system else "forgotten")
            case "/system":
                if rest:
                    self.system = None if rest == "-" else rest
                self.screen.note(f"system prompt: {self.system}" if self.system else "no system prompt")
            case "/model":
                self._switch(rest)
            case _:
                near = nearest(word, COMMANDS)
                self.screen.error(f"no command {word}: " + (f"did you mean {near}?" if near else "/help lists them"))
        return True

    def _switch(self, name: str) -> None:
        import openai

        try:
            self.models = [model.id for model in self.client.models.list()] or self.models
        except openai.OpenAIError as error:
            self.screen.error(explain(error, self.url))
            return
        if not name:
            self.screen.note("\n".join(f"{'*' if model == self.model else ' '} {model}" for model in self.models))
        elif name in self.models:
            self.model = name
            self.screen.note(f"model: {name}")
        else:
            self.screen.error(f"no model '{name}': {did_you_mean(name, self.models)}")

    def _ask(self, question: str) -> None:
        """Send the conversation with `question`, show the answer as it comes, keep both. Ctrl-C stops it and keeps what came."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        messages = [*system, *self.said, {"role": "user", "content": question}]
        answer, stopped = Answer(), False
        try:
            while (wait := self._receive(messages, answer)) is not None:
                self.sleep(wait)
        except KeyboardInterrupt:
            if not self.screen.people:
                raise
            stopped = True
        if answer.text:
            self.said += [{"role": "user", "content": question}, {"role": "assistant", "content": answer.text}]
        self.screen.ending(question, self.model, answer, stopped=stopped)

    def _receive(self, messages: Sequence[Message], answer: Answer) -> float | None:
        """One try. Returns the seconds to wait before the next while the engine is still loading, else None."""
        import openai

        try:
            for kind, text in stream(self.client, self.model, messages, answer, self.clock):
                self.screen.piece(kind, text)
        except openai.OpenAIError as error:
            wait = retry_after(error)
            if wait is not None and not answer.started:
                self.screen.waiting(explain(error, self.url))
                return wait
            if answer.started:
                self.screen.error(f"the answer broke off: {explain(error, self.url, begun=True)}")
            else:
                self.screen.error(explain(error, self.url))
            return None
        if not answer.finish_reason:
            self.screen.error("the answer broke off: the server closed the stream early")
        return None
