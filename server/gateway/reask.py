"""An answer that a guard sends back: the model is shown what it wrote and what is wrong with it, and asked again."""

from __future__ import annotations

from typing import Any

import msgspec

from server.gateway.call import Call
from server.gateway.internal import Internal
from server.guards.passage import Reask

NOTE = {
    "en": "Your answer was not accepted: {why}. Write the whole answer again with this mended, and nothing besides.",
    "ko": "답변이 받아들여지지 않았습니다: {why}. 이 점을 고쳐 답변 전체를 다시 쓰고, 다른 말은 덧붙이지 마세요.",
}


async def again(internal: Internal, call: Call, request: bytes, before: bytes, wanted: Reask, language: str) -> tuple[bytes, bytes | None]:
    """The request that asks for a better answer than `before`, and the answer to it; None where there is none.

    One answer can be asked for again, not one of several choices.
    """
    assert call.target is not None
    data = msgspec.json.decode(request)
    if data.get("n") not in (None, 1) or data.get("best_of") not in (None, 1):
        return request, None
    note = NOTE[language].format(why=wanted.why or wanted.guard.name)
    said = [{"role": "assistant", "content": wanted.answer}, {"role": "user", "content": note}]
    if isinstance(data.get("messages"), list):
        data["messages"] += said
    elif "input" in data:
        given = data["input"]
        data["input"] = [*(given if isinstance(given, list) else [{"role": "user", "content": given}]), *said]
    elif isinstance(data.get("prompt"), str):
        data["prompt"] += f"{wanted.answer}\n\n{note}\n\n"
    else:
        return request, None
    request = msgspec.json.encode(data)
    made = await internal.generate(call.target.name, call.path, request)
    return request, _with_usage_of(made, before) if made is not None else None


def _with_usage_of(made: bytes, before: bytes) -> bytes:
    """`made` with the tokens of `before` added to its own: both were computed."""
    try:
        answer, earlier = msgspec.json.decode(made), msgspec.json.decode(before)
        usage, spent = answer["usage"], earlier["usage"]
    except (msgspec.DecodeError, RecursionError, LookupError, TypeError):
        return made
    if isinstance(usage, dict) and isinstance(spent, dict):
        _add(usage, spent)
        return msgspec.json.encode(answer)
    return made


def _add(usage: dict[str, Any], spent: dict[str, Any]) -> None:
    for key, value in spent.items():
        if isinstance(value, dict) and isinstance(usage.get(key), dict):
            _add(usage[key], value)
        elif isinstance(value, int) and isinstance(usage.get(key), int):
            usage[key] += value
