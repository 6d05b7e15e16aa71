"""The engines' own metrics, with a `model` label, as one exposition."""

from __future__ import annotations

import asyncio
import re

from server.gateway.catalogue import Engine
from server.gateway.upstream.balance import Upstream
from server.gateway.upstream.get import get

PATIENCE = 3.0  # seconds for an engine to tell; a slow one must not hide the others

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?(\s.*)$")


async def engine_metrics(engines: list[Engine]) -> bytes:
    """The merged text: # HELP and # TYPE once a family, every sample with `model` (and `upstream`, where there are several).

    What the engines share with the gateway's own process (python_*, process_*) is left out: it would clash.
    """
    asked = [(e, u) for e in engines if e.ready for u in e.upstreams]
    texts = await asyncio.gather(*(_fetch(u) for _, u in asked))
    families: dict[str, tuple[list[str], list[str]]] = {}
    for (engine, upstream), text in zip(asked, texts, strict=True):
        labels = f'model="{_escape(engine.name)}"'
        if len(engine.upstreams) > 1:
            labels += f',upstream="{_escape(upstream.address.url)}"'
        _merge(text, labels, families)
    lines = [line for heads, samples in families.values() for line in (*heads, *samples)]
    return ("\n".join(lines) + "\n").encode() if lines else b""


def _merge(text: str, labels: str, families: dict[str, tuple[list[str], list[str]]]) -> None:
    """Add the samples of one engine to `families`."""
    name = ""
    for line in text.splitlines():
        if line.startswith("#"):
            parts = line.split(" ", 3)
            if len(parts) < 3 or parts[1] not in ("HELP", "TYPE"):
                continue
            name = parts[2]
            if _shared(name):
                continue
            heads = families.setdefault(name, ([], []))[0]
            if not any(h.startswith(f"# {parts[1]} ") for h in heads):
                heads.append(line)
        elif found := _SAMPLE.match(line):
            sample, own, rest = found.groups()
            if _shared(sample):
                continue
            # The samples of a histogram carry suffixes; they belong to the family that was announced last.
            family = name if name and sample.startswith(name) else sample
            families.setdefault(family, ([], []))[1].append(f"{sample}{{{labels}{',' + own if own else ''}}}{rest}")


def _shared(name: str) -> bool:
    return name.startswith(("python_", "process_", "sllm_"))


async def _fetch(upstream: Upstream) -> str:
    """GET /metrics of one engine; empty where it does not tell."""
    answer = await get(upstream, "/metrics", "text/plain", PATIENCE)
    return answer[1].decode("utf-8", "replace") if answer is not None and answer[0] == 200 else ""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
