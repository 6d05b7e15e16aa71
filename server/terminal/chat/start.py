"""From the flags of `sllm chat` to a session: in a terminal, over a pipe, for a program."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from server.errors import ModelNotFound, StartError
from server.nearest import did_you_mean
from server.settings import Gateway
from server.terminal.chat import editing
from server.terminal.chat.answer import explain, retry_after
from server.terminal.chat.screen import Screen
from server.terminal.chat.session import Session
from server.terminal.choose import base_url
from server.terminal.output import in_colour

if TYPE_CHECKING:
    import openai


def run(url: str, model: str | None, *, as_json: bool) -> int:
    """Talk until the input ends. Returns the exit code: 1 when a piped question failed. Raises StartError."""
    screen = Screen(people=sys.stdin.isatty() and sys.stdout.isatty(), as_json=as_json, colour=in_colour(sys.stdout))
    client = connect(url)
    models = _models(client, screen)
    if model and model not in models:
        raise ModelNotFound(f"no model '{model}' at {client.base_url}: {did_you_mean(model, models)}")
    session = Session(client, models, model or models[0], screen)
    if screen.people:
        return _talk(session)
    return _pipe(session, sys.stdin)


def connect(url: str) -> openai.OpenAI:
    """The OpenAI client for `url`, with or without /v1. A server on this machine is called past any proxy."""
    import openai

    base = base_url(url)
    if urlsplit(base).hostname in ("127.0.0.1", "localhost", "::1"):
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost,::1"
    timeout = openai.Timeout(600, connect=10)
    return openai.OpenAI(base_url=f"{base}/v1", api_key=os.environ.get("OPENAI_API_KEY") or "none", max_retries=0, timeout=timeout)


def _models(client: openai.OpenAI, screen: Screen) -> list[str]:
    import openai

    url = str(client.base_url).rstrip("/")
    while True:
        try:
            models = [model.id for model in client.models.list()]
            break
        except openai.OpenAIError as error:
            wait = retry_after(error)
            if wait is None:
                raise StartError(explain(error, url)) from None
            screen.waiting(explain(error, url))
            time.sleep(wait)
    if not models:
        raise StartError(f"{url} serves no model")
    return models


def _pipe(session: Session, lines: Iterable[str]) -> int:
    """One question a line."""
    for line in lines:
        if not session.feed(line):
            break
    return 1 if session.screen.failed else 0


def _talk(session: Session) -> int:
    """A person at a terminal. Ctrl-C at the prompt drops the line; twice in a row, or Ctrl-D, leaves."""
    data_dir: Path = Gateway.model_fields["data_dir"].default
    save = editing.start(data_dir.expanduser() / "chat_history", session.complete)
    session.screen.note(f"{session.model} at {session.url}; /help lists the commands, Ctrl-D leaves")
    interrupted = False
    try:
        while True:
            try:
                line = input(editing.prompt("> ", colour=session.screen.colour))
                interrupted = False
            except KeyboardInterrupt:
                print()
                if interrupted:
                    break
                interrupted = True
                session.screen.note("Ctrl-C once more leaves")
                continue
            except EOFError:
                print()
                break
            if not session.feed(line):
                break
    finally:
        save()
    return 0
