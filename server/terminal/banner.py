"""The block after the start: where to call, and code that can be pasted as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.rundir import url
from server.settings import Settings

KINDS = {"generate": "chat", "embed": "embeddings", "score": "reranking"}


def served(settings: Settings, tasks: Mapping[str, str]) -> dict[str, str]:
    """Each name that clients may send, with its kind; `tasks` says what an engine found its model to be."""
    names: dict[str, str] = {}
    for model in settings.models:
        task = tasks.get(model.name) or ("generate" if model.task == "auto" else model.task)
        names[model.name] = KINDS.get(task, task)
        names.update(dict.fromkeys(model.adapters, f"{names[model.name]}, adapter of {model.name}"))
    names.update({name: f"persona of {p.model}" for name, p in settings.personas.items()})
    return names


def as_json(settings: Settings, tasks: Mapping[str, str], engines: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What `sllm serve --json` prints when it is ready. `engines`: where each engine listens, for who measures one without the gateway."""
    base, engines = url(settings.gateway.host, settings.gateway.port), engines or {}
    models = [{"name": name, "kind": kind} for name, kind in served(settings, tasks).items()]
    models = [{**model, "engine": engines[model["name"]]} if model["name"] in engines else model for model in models]
    return {"event": "ready", "address": base, "base_url": f"{base}/v1", "models": models}


def as_text(settings: Settings, tasks: Mapping[str, str]) -> str:
    """The ready block for people."""
    base = url(settings.gateway.host, settings.gateway.port)
    names = served(settings, tasks)
    first = next((name for name, kind in names.items() if kind == "chat"), next(iter(names)))
    call = _EMBED if names[first] == "embeddings" else _RERANK if names[first] == "reranking" else _CHAT
    width = max(map(len, names))
    lines = [f"Ready: {base}/v1", *(f"  {name:<{width}}  {kind}" for name, kind in names.items())]
    if settings.gateway.host in ("0.0.0.0", "::"):
        lines.append("  Listening on every interface: other machines reach it by this machine's name.")
    return "\n".join(lines) + "\n\n" + call.replace("BASE", base).replace("MODEL", first) + "\n\nStop with Ctrl-C."


_CHAT = """\
curl BASE/v1/chat/completions -H 'content-type: application/json' \\
  -d '{"model": "MODEL", "messages": [{"role": "user", "content": "What is the capital of Korea?"}]}'

from openai import OpenAI
client = OpenAI(base_url="BASE/v1", api_key="none")
messages = [{"role": "user", "content": "What is the capital of Korea?"}]
answer = client.chat.completions.create(model="MODEL", messages=messages)
print(answer.choices[0].message.content)"""

_EMBED = """\
curl BASE/v1/embeddings -H 'content-type: application/json' -d '{"model": "MODEL", "input": "Hello"}'

from openai import OpenAI
client = OpenAI(base_url="BASE/v1", api_key="none")
texts = ["Hello", "안녕하세요"]
answer = client.embeddings.create(model="MODEL", input=texts)
print([len(item.embedding) for item in answer.data])"""

_RERANK = """\
curl BASE/v1/rerank -H 'content-type: application/json' \\
  -d '{"model": "MODEL", "query": "What is the capital of Korea?", "documents": ["Seoul is the capital.", "A dog barks."]}'"""
