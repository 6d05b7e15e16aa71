"""What comes in is judged here; what goes out from here on passes through `guarded.py`."""

from __future__ import annotations

from collections.abc import Awaitable

import msgspec

from server.gateway.body import malformed
from server.gateway.call import Call, ClientGone
from server.gateway.guarded import Guarded
from server.gateway.guarding import Guarding
from server.guards.policy import Policy
from server.guards.screening import Screening

TEXTLESS = frozenset(("/tokenize", "/detokenize"))  # nothing is asked of the model


class Guard:
    """Raises ContentFiltered, GuardError, InvalidRequest."""

    def __init__(self, guarding: Guarding) -> None:
        self.guarding = guarding
        self.policies = guarding.policies

    def __call__(self, call: Call) -> Awaitable[None] | None:
        assert call.target is not None
        policy = self.policies.of(call.target.name)
        if policy is None or call.path in TEXTLESS:
            return None
        return self._judge(call, policy)

    async def _judge(self, call: Call, policy: Policy) -> None:
        assert call.target is not None
        metrics = self.guarding.metrics
        screening = call.screening = Screening(policy, call.target.name, call.path, metrics.told, metrics.took)
        guarded = Guarded(call, screening, self.guarding.internal)
        call.send = guarded.send
        try:
            data = msgspec.json.decode(call.body)
        except (msgspec.DecodeError, RecursionError):
            raise malformed(call.body) from None
        persona = call.target.persona
        call.waits = True  # its client may leave meanwhile
        try:
            changed = await screening.request(data, persona.system or "" if persona is not None else "")
        finally:
            call.waits = False
        if call.gone:
            raise ClientGone
        guarded.watch_judges()
        if changed:
            call.body = msgspec.json.encode(data)

    @staticmethod
    def end(call: Call) -> None:
        """After every request: no judge goes on for one that has ended."""
        if call.screening is not None:
            call.screening.close()
