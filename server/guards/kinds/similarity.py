"""Topics by example sentences: what is like a denied example is found, and what is like no allowed one.

Denied: every sentence is compared, and the text as a whole where it is short. Allowed: what counts is the sentence
that is nearest to an example, since one on the topic makes the text one on the topic; only what users ask (on answers:
what the model says) must keep to it, not the operator's instructions, tools or their results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.errors import StartError
from server.guards.base import Context, GuardDown, Judgement, Piece, Side, Tools, Window
from server.guards.recent import Recent
from server.guards.sentences import LONGEST, split
from server.guardsettings import Similarity

MOST = 2000  # sentences of one text; more is GuardDown
BATCH = 16  # sentences that go to the embedder at once
HALVED = 80  # characters: a sentence that the embedder refuses is cut in two down to this
DENIED, OFF_TOPIC = "denied_topic", "off_topic"


def make(settings: Similarity, side: Side, tools: Tools) -> SimilarityJudge:
    """Raises ConfigError for an embedder that cannot be."""
    embedder = tools.embedder(settings) if tools.embedder is not None else None
    return SimilarityJudge(settings, embedder, elsewhere="://" in settings.embedder or settings.embedder in tools.served)


class SimilarityJudge:
    window: Window = "sentences"
    parallel = False

    def __init__(self, settings: Similarity, embedder: Any, elsewhere: bool = False) -> None:
        """`elsewhere`: the embedder is an engine or another server, which may come up after this."""
        self.settings = settings
        self.embedder = embedder
        self.elsewhere = elsewhere
        self._known = False  # the examples' vectors are
        self._denied: Any = None  # float32 (examples, width), rows of length 1
        self._allowed: Any = None
        self._recent: Recent[tuple[float, float]] = Recent(16_384)

    async def open(self) -> None:
        """Raises StartError where there is no embedder, or it has no vectors for the examples."""
        if self.embedder is None:
            raise StartError(f"guard '{self.settings.label}' needs the gateway's embedders, which are not here.")
        try:
            import numpy as np  # noqa: F401
        except ImportError:
            raise StartError(f"guard '{self.settings.label}' needs numpy: pip install -r requirements/semantic.txt.") from None
        await self.embedder.open()
        if self.elsewhere:
            return  # asked when first needed
        try:
            await self._learn()
        except GuardDown as down:
            raise StartError(f"guard '{self.settings.label}': {down}.") from None

    async def _learn(self) -> None:
        """The examples' vectors. Raises GuardDown."""
        import numpy as np

        rows = []
        for name, examples in (("denied", self.settings.denied), ("allowed", self.settings.allowed)):
            try:
                rows.append(np.stack(await self.embedder.embed(list(examples))) if examples else None)
            except Exception as error:  # another part's exceptions: its embedders are lent
                raise GuardDown(f"the embedder has no vectors for the `{name}` examples ({error})") from None
        self._denied, self._allowed = rows
        self._known = True

    async def close(self) -> None:
        if self.embedder is not None:
            await self.embedder.close()

    async def judge(self, pieces: Sequence[Piece], context: Context) -> Judgement:
        """Every text by itself. Raises GuardDown for a text of more than MOST sentences, and where the embedder is down."""
        if not self._known:
            await self._learn()
        speaker = "user" if context.side == "input" else "assistant"
        categories: dict[str, float] = {}
        flagged: dict[str, str] = {}  # category -> place
        for piece in pieces:
            before = piece.before[-self.settings.window :] if self.settings.window else ""
            sentences = _sentences(before + piece.text)
            if not sentences:
                continue
            near = [await self._near(batch) for batch in _batches(sentences)]
            scores = [score for batch in near for score in batch]
            if self.settings.denied:
                worst = max(denied for denied, _ in scores)
                categories[DENIED] = max(categories.get(DENIED, 0.0), worst)
                if worst >= self.settings.threshold:
                    flagged.setdefault(DENIED, piece.place)
            if self.settings.allowed and piece.role == speaker:
                best = max(allowed for _, allowed in scores)
                categories[OFF_TOPIC] = max(categories.get(OFF_TOPIC, 0.0), 1.0 - best)
                if best < self.settings.threshold:
                    flagged.setdefault(OFF_TOPIC, piece.place)
        why = "; ".join(f"{name} {categories[name]:.2f}" for name in flagged)
        return Judgement(bool(flagged), categories, why, next(iter(flagged.values()), ""))

    async def _near(self, sentences: Sequence[str]) -> list[tuple[float, float]]:
        """The highest cosines with a denied and with an allowed example, a sentence; 0 to 1."""
        known = [self._recent.get(sentence) for sentence in sentences]
        asked = [sentence for sentence, found in zip(sentences, known, strict=True) if found is None]
        fresh = iter(await self._score(asked) if asked else [])
        return [found if found is not None else next(fresh) for found in known]

    async def _score(self, sentences: Sequence[str]) -> list[tuple[float, float]]:
        try:
            vectors = await self.embedder.embed([self._clean(sentence) for sentence in sentences])
        except Exception as error:  # one too long for the embedder, or the embedder is down: one by one, then in halves
            if len(sentences) > 1:
                return [(await self._score([sentence]))[0] for sentence in sentences]
            sentence = sentences[0]
            if len(sentence) <= HALVED:
                raise GuardDown(f"the embedder has no vector ({error})") from None
            halves = [half for half in (sentence[: len(sentence) // 2], sentence[len(sentence) // 2 :]) if _says_something(half)]
            scores = [(await self._score([half]))[0] for half in halves]
            return [(max(denied for denied, _ in scores), max(allowed for _, allowed in scores))]
        scored = [(_highest(self._denied, vector), _highest(self._allowed, vector)) for vector in vectors]
        for sentence, score in zip(sentences, scored, strict=True):
            self._recent.put(score, sentence)
        return scored

    @staticmethod
    def _clean(sentence: str) -> str:
        return sentence.strip().encode("utf-8", "replace").decode()


def _highest(examples: Any, vector: Any) -> float:
    return 0.0 if examples is None else min(1.0, max(0.0, float((examples @ vector).max())))


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _sentences(text: str) -> list[str]:
    """The text's sentences that have a letter, and a text of several short ones as a whole too. Raises GuardDown for too many."""
    if len(text) > MOST * LONGEST:
        raise GuardDown(f"the text is too long: {len(text)} characters")
    sentences = [sentence for sentence in split(text) if _says_something(sentence)]
    if len(sentences) > MOST:
        raise GuardDown(f"the text is too long: {len(sentences)} sentences")
    if len(sentences) > 1 and len(text) <= LONGEST:
        sentences.append(text)
    return sentences


def _batches(sentences: Sequence[str]) -> list[Sequence[str]]:
    return [sentences[start : start + BATCH] for start in range(0, len(sentences), BATCH)]
