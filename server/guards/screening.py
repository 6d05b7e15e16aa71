"""One request and its answer under one policy."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from server.errors import ContentFiltered, GuardError, InvalidRequest
from server.guards import language, messages
from server.guards.base import Context, Finding, Language, Piece, Side, Verdict
from server.guards.careful import Careful, GuardFailed
from server.guards.hold import Bound, Hold
from server.guards.passage import SLICE, Kind, Passage, TextPassage, Trail, ask_judges, verdict
from server.guards.places import Place, TokenIds, of_request
from server.guards.redact import Restorer, Vault, replacer
from server.guardsettings import Form

if TYPE_CHECKING:
    from server.guards.policy import Guard, Policy

Told = Callable[[Verdict], None]
FIRST = {"/v1/chat/completions": "choices[0].message.content", "/v1/completions": "choices[0].text"}  # where most answers begin
LEAST = 64  # characters that a text counts for at least: many short ones take their time too


class Screening:
    """`request` first; then `passage` for each text of the answer. `told` and `took` are as for a Trail."""

    def __init__(self, policy: Policy, model: str, path: str, told: Told, took: Callable[[str, float], None] | None = None) -> None:
        self.policy = policy
        self.model = model
        self.path = path
        self.trail = Trail(told, took)
        self.vault = Vault()
        self.data: Mapping[str, Any] = {}
        self.beside: asyncio.Task[None] | None = None  # judges of the request that may run beside the generation
        self._said = ""
        self._ready: Passage | None = None

    @functools.cached_property
    def language(self) -> Language:
        """In which the client is answered. Most requests never need to know."""
        return language.of(self._said)

    async def request(self, data: dict[str, Any], trusted: str = "") -> bool:
        """Judge a decoded body, and cut out of it what must be. True: it was changed, in place.

        `trusted` is what the operator's own persona put first into the system prompt. Raises ContentFiltered, GuardError, InvalidRequest.
        """
        self.data = data
        try:
            places = of_request(data)
        except TokenIds as ids:
            raise InvalidRequest(
                f"'{ids.place}' holds token ids, which guards cannot read: send the text.", param=ids.place, code="content_filter"
            ) from None
        except RecursionError:
            raise InvalidRequest("The body is nested too deeply.", code="invalid_json") from None
        own = [_own(place, trusted) for place in places]
        self._said = _last_of_user(places)
        if not self.policy.input:
            return False
        for text in own:
            self.vault.avoid(text)
        changed = False
        try:
            texts = await self._cut(places, own)
            for place, before, after in zip(reversed(places), reversed(own), reversed(texts), strict=True):
                if after != before:
                    place.put(place.text[: len(place.text) - len(before)] + after)
                    changed = True
            pieces = [
                Piece(text, place.path, place.role) for place, text in zip(places, texts, strict=True) if text.strip() and not place.key
            ]
            await self._judge(pieces)
        except GuardFailed as failed:
            raise guard_error(failed, self.language, "input") from None
        return changed

    async def _cut(self, places: Sequence[Place], texts: Sequence[str]) -> list[str]:
        """The texts with what detectors found cut out. Raises ContentFiltered, GuardFailed."""
        guards = [guard for guard in self.policy.input if guard.detector is not None]
        if not guards:
            return list(texts)
        bounds = self.bounds(guards)
        by_name = {guard.name: guard for guard in guards}
        out = []
        since = 0  # characters judged since others had their turn
        for place, text in zip(places, texts, strict=True):
            hold = Hold(bounds, "input")
            since += len(text) + LEAST
            if since > SLICE:
                since = 0
                await asyncio.sleep(0)
            if len(text) <= SLICE:
                shown = hold.whole(text)
            else:
                parts = []
                for start in range(0, len(text), SLICE):
                    parts.append(hold.feed(text[start : start + SLICE]))
                    await asyncio.sleep(0)  # others have their turn
                shown = "".join([*parts, hold.finish()])
            for name, finding in hold.found:
                self.trail.add(verdict(by_name[name], finding, place.path))
            if hold.blocked is not None:
                self._read(bounds)
                raise self._refused(by_name[hold.blocked[0]], place.path)
            out.append(shown)
        self._read(bounds)
        return out

    def _read(self, bounds: Sequence[Bound]) -> None:
        for bound in bounds:
            if isinstance(bound.detector, Careful):
                self.trail.read(bound.detector)

    async def _judge(self, pieces: Sequence[Piece]) -> None:
        judges = [guard for guard in self.policy.input if guard.judge is not None]
        later = [guard for guard in judges if guard.judge is not None and guard.judge.parallel]
        if later:
            self.beside = asyncio.get_running_loop().create_task(self._ask(later, pieces))
        now = [guard for guard in judges if guard not in later]
        if now:
            try:
                await self._ask(now, pieces)
            except BaseException:
                self.close()
                raise

    async def _ask(self, guards: Sequence[Guard], pieces: Sequence[Piece]) -> None:
        found = await ask_judges(guards, pieces, self.context("input"), self.trail)
        if found is not None:
            raise self._refused(found[0], found[1].place)

    async def settled(self) -> None:
        """Wait for the judges beside. Raises ContentFiltered, GuardError."""
        if self.beside is not None:
            try:
                await self.beside
            except GuardFailed as failed:
                raise guard_error(failed, self.language, "input") from None

    def close(self) -> None:
        """Nobody waits for the judges any more."""
        if self.beside is not None:
            self.beside.cancel()
            self.beside.add_done_callback(lambda task: task.cancelled() or task.exception())

    def passage(self, place: str, kind: Kind, judged: bool = True) -> Passage:
        """For one text of the answer. `judged`: it was not yet, by this very policy."""
        if judged:
            self._see(self.policy.output)
        if self._ready is not None and judged and kind == "text" and place == FIRST.get(self.path):
            ready, self._ready = self._ready, None
            return ready
        return self._passage(place, kind, judged)

    def prepare(self) -> None:
        """Make the first passage of an answer that is on its way, while there is nothing else to do. After `request`."""
        place = FIRST.get(self.path)
        if place is not None and self.policy.output and self._ready is None:
            self._ready = self._passage(place, "text", judged=True)

    def _passage(self, place: str, kind: Kind, judged: bool) -> Passage:
        guards = self.policy.output if judged else ()
        restorer = Restorer(self.vault, escaped=kind == "arguments") if self.vault else None
        bounds = [self._bound(guard) for guard in guards if guard.detector is not None]
        reads_context = any(guard.judge is not None for guard in guards)
        context = self.context("output") if reads_context else Context("output", self.model, self.path)
        return TextPassage(guards, bounds, context, self.trail, self.refusal, place, restorer)

    def bounds(self, guards: Sequence[Guard]) -> list[Bound]:
        self._see(guards)
        return [self._bound(guard) for guard in guards]

    def _see(self, guards: Sequence[Guard]) -> None:
        for guard in guards:
            if guard.detector is not None:
                self.trail.seen(guard.name)

    def _bound(self, guard: Guard) -> Bound:
        form: Form = getattr(guard.settings, "form", "label")
        if guard.side == "output" and form == "reversible":
            form = "label"  # there is nobody to put it back
        action = guard.settings.action
        assert action != "reask"

        def replace(text: str, finding: Finding) -> str:
            return replacer(form, self.language, self.vault)(text, finding)

        return Bound(guard.name, Careful(guard, self.trail), action, replace)

    def context(self, side: Side) -> Context:
        return Context(side, self.model, self.path, self.language, self.data)

    def refusal(self, guard: Guard) -> str:
        return messages.refusal(guard.settings.message, self.language, guard.name, guard.settings.kind, guard.side)

    def _refused(self, guard: Guard, place: str) -> ContentFiltered:
        return ContentFiltered(self.refusal(guard), param=place or None)


def guard_error(failed: GuardFailed, language: Language, side: Side) -> GuardError:
    return GuardError(messages.failure(language, failed.guard, side))


def _own(place: Place, trusted: str) -> str:
    """What of a text is the client's."""
    if trusted and place.role in ("system", "developer") and place.text.startswith(trusted):
        return place.text[len(trusted) :]
    return place.text


def _last_of_user(places: Sequence[Place]) -> str:
    """What the refusal's language is read from."""
    for place in reversed(places):
        if place.role == "user" and not place.path.startswith(("tools", "functions", "response_format", "stop")):
            return place.text
    return places[-1].text if places else ""
