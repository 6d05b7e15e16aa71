"""From the flags of `serve` and `gateway` to the running stack and its ready block."""

from __future__ import annotations

import contextlib
from typing import Any

from server.errors import UsageError
from server.settings import Settings
from server.terminal import banner
from server.terminal.ask import served_models
from server.terminal.choose import upstream_models, with_models
from server.terminal.output import print_json


def overrides(*, engine: str | None = None, **gateway: Any) -> dict[str, Any]:
    """The flags that were given, nested as in the configuration file."""
    given = {key: value for key, value in gateway.items() if value is not None}
    return {**({"gateway": given} if given else {}), **({"engine": engine} if engine else {})}


def over_upstreams(settings: Settings, urls: list[str], model: str | None) -> Settings:
    """`settings` serving the servers at `urls`; with none, the configuration's `upstreams`. Raises UsageError, StartError."""
    if urls:
        return with_models(settings, upstream_models(urls, model, served_models))
    ours = [m.name for m in settings.models if m.path]
    if ours:
        raise UsageError(
            f"the gateway runs over servers that already run, and '{ours[0]}' has none: "
            "add --upstream http://host:port, or `upstreams:` in the file; `sllm serve` starts engines"
        )
    return settings


def run(settings: Settings, *, as_json: bool) -> int:
    """Start the stack, print the ready block once every engine is ready, and stay until it ends. Returns the exit code.

    Raises ConfigError.
    """
    import asyncio

    from server.supervisor import Supervisor

    if settings.guards:
        from server.terminal import guardtools

        guardtools.made(settings)  # what is wrong in the list is told before anything starts

    def ready() -> None:
        tasks = {name: engine.task for name, engine in stack.state.engines.items()}
        with contextlib.suppress(OSError):  # nobody reads our output any more: the stack still serves
            if as_json:
                engines = {name: engine.address for name, engine in stack.state.engines.items()}
                print_json(banner.as_json(stack.settings, tasks, engines))
            else:
                print(f"\n{banner.as_text(stack.settings, tasks)}\n", flush=True)

    stack = Supervisor(settings, ready)  # it knows the port that --port 0 took, and what each engine found its model to be
    return asyncio.run(stack.run())
