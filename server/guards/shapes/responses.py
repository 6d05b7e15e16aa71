"""/v1/responses."""

from __future__ import annotations

from typing import Any

from server.guards.passage import Open


def screen(open_: Open, include_usage: bool, expected: int) -> Any:
    raise NotImplementedError


async def whole(body: bytes, open_: Open) -> bytes:
    raise NotImplementedError
