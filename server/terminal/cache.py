"""`sllm cache stats` and `flush`: asks the running gateway on this machine."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from server import rundir
from server.errors import SLLMError, UsageError
from server.settings import Settings
from server.terminal.ask import Get, get
from server.terminal.output import print_json
from server.units import show_size

PATH = "/admin/cache"
PATIENCE = 60.0  # seconds; a large store is emptied in a while


class Refused(SLLMError):
    """The gateway did not do it; its own words."""


def stats(base: str, *, as_json: bool, get: Get = get) -> None:
    """Print what the cache of the gateway at `base` holds and has saved. Raises Refused."""
    found = _ask(base, PATH, "GET", get)
    print_json(found) if as_json else print("\n".join(lines(found)))


def flush(base: str, model: str | None, namespace: str | None, *, as_json: bool, get: Get = get) -> None:
    """Remove answers, and print how many. Raises Refused."""
    chosen = {name: value for name, value in (("model", model), ("namespace", namespace)) if value is not None}
    found = _ask(base, PATH + (f"?{urlencode(chosen)}" if chosen else ""), "DELETE", get)
    print_json(found) if as_json else print(f"removed {_answers(found['removed'])}")


def address(settings: Settings, url: str | None) -> str:
    """Where the gateway is asked: `url`, else what the configuration says. Raises UsageError."""
    if url is not None:
        if not url.startswith(("http://", "https://", "unix:")):
            raise UsageError(f"'{url}' is no address: write --url http://127.0.0.1:8000")
        return url.rstrip("/").removesuffix("/v1")
    return rundir.url(settings.gateway.host, settings.gateway.port)


def lines(found: dict[str, Any]) -> list[str]:
    """The statistics as people read them."""
    requests, saved, memory = found["requests"], found["saved"], found["memory"]
    full = f"{found['bytes'] / found['max_bytes']:.0%} of {show_size(found['max_bytes'])}" if found["max_bytes"] else "no bound"
    rate = f", {found['hit_rate']:.1%} answered without an engine" if found["hit_rate"] is not None else ""
    shown = [
        f"store     {found['store']}{'' if found['up'] else ' (down)'}: {_answers(found['entries'])}, {_size(found['bytes'])} ({full})",
        f"memory    {_answers(memory['entries'])}, {_size(memory['bytes'])} of {show_size(memory['max_bytes'])}",
        "requests  " + (", ".join(f"{count:,} {name}" for name, count in sorted(requests.items())) or "none") + rate,
        f"saved     {saved.get('prompt_tokens', 0):,} prompt tokens, {saved.get('completion_tokens', 0):,} completion tokens, "
        f"{saved['engine_seconds']:,.1f} engine seconds",
    ]
    if found["audited"]:
        shown.append(f"audited   {found['audited']:,} semantic hits, {found['false_hits']:,} false")
    for group in found["held"]:
        namespace = f" in {group['namespace']}" if group["namespace"] else ""
        shown.append(f"  {group['model']}{namespace}: {_answers(group['entries'])}, {_size(group['bytes'])}")
    return shown


def _ask(base: str, path: str, method: str, get: Get) -> dict[str, Any]:
    try:
        status, body = get(base, path, timeout=PATIENCE, method=method)
    except OSError as error:
        raise Refused(
            f"no gateway answers at {base} ({error.strerror or error}): start it with `sllm serve`, or name it with --url"
        ) from None
    if status != 200 or not isinstance(body, dict):
        try:
            said = str(body["error"]["message"])
        except (LookupError, TypeError):
            said = f"it answered {status}"
        raise Refused(f"{base}: {said}")
    return body


def _answers(count: int) -> str:
    return f"{count:,} answer{'' if count == 1 else 's'}"


def _size(count: int) -> str:
    """Bytes to three digits: 12.3 MiB."""
    amount, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.3g} {units[0]}"
