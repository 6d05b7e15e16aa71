import pytest

from server.cache.semantic.embedders.ngram import NGram
from server.errors import StartError
from server.guards.base import Context, GuardDown, Piece, Tools
from server.guards.kinds.similarity import MOST, make
from server.guardsettings import Similarity

DENIED = ("주식 종목을 추천해 주세요", "Which stocks should I buy?")
ALLOWED = ("How do I return an item I bought?", "배송은 얼마나 걸리나요?")


async def opened(side="input", embedder=None, **options):
    judge = make(Similarity(kind="similarity", **options), side, Tools(embedder=lambda section: embedder or NGram()))
    await judge.open()
    return judge


async def said(*pieces, side="input", **options):
    judge = await opened(side, **options)
    return await judge.judge(
        [piece if isinstance(piece, Piece) else Piece(piece, f"p{i}") for i, piece in enumerate(pieces)], Context(side)
    )


async def test_a_sentence_like_a_denied_example_is_found():
    judgement = await said("날씨가 좋네요.", "안녕하세요, 반갑습니다. 주식 종목 좀 추천해 주세요! 감사합니다.", denied=DENIED)
    assert judgement.flagged
    assert judgement.place == "p1"
    assert judgement.categories["denied_topic"] >= 0.6


async def test_another_text_passes():
    judgement = await said("What is the capital of France?", denied=DENIED)
    assert not judgement.flagged
    assert 0 <= judgement.categories["denied_topic"] < 0.6


async def test_the_threshold_decides():
    text = "Which stocks shall I buy now?"
    score = (await said(text, denied=DENIED)).categories["denied_topic"]
    assert (await said(text, denied=DENIED, threshold=score - 0.01)).flagged
    assert not (await said(text, denied=DENIED, threshold=score + 0.01)).flagged


async def test_what_is_like_no_allowed_example_is_found():
    assert (await said("Tell me a joke about cats.", allowed=ALLOWED)).categories["off_topic"] > 0.4
    assert (await said("Tell me a joke about cats.", allowed=ALLOWED)).flagged
    assert not (await said("Hello there, my friend. How do I return an item that I bought?", allowed=ALLOWED)).flagged


async def test_only_what_the_user_asks_must_keep_to_the_topic():
    pieces = [Piece("You are a helpful assistant.", role="system"), Piece('{"weather": 3}', role="tool"), Piece(ALLOWED[0])]
    assert not (await said(*pieces, allowed=ALLOWED)).flagged


async def test_texts_without_a_letter_say_nothing():
    assert not (await said("!!! ... 🙂", " ", denied=DENIED, allowed=ALLOWED)).flagged


async def test_what_came_before_is_judged_with_the_sentence():
    piece = Piece(" I buy?", role="assistant", before="Which stocks should")
    assert (await said(piece, side="output", denied=DENIED)).flagged
    assert not (await said(piece, side="output", denied=DENIED, window=0)).flagged


class Counted(NGram):
    def __init__(self, longest=10_000):
        self.longest = longest
        self.texts = []
        self.down = False

    async def embed(self, texts):
        if self.down:
            raise RuntimeError("gone")
        if any(len(text) > self.longest for text in texts):
            raise ValueError("too long")
        self.texts += texts
        return await super().embed(texts)


async def test_a_sentence_too_long_for_the_embedder_is_cut():
    embedder = Counted(longest=100)
    judge = await opened(embedder=embedder, denied=DENIED)
    await judge.judge([Piece("word " * 100 + DENIED[1])], Context())
    assert max(len(text) for text in embedder.texts) <= 100


async def test_the_same_sentence_is_embedded_once():
    embedder = Counted()
    judge = await opened(embedder=embedder, denied=DENIED)
    for _ in range(3):
        await judge.judge([Piece("What is the capital of France?")], Context())
    assert embedder.texts.count("What is the capital of France?") == 1


async def test_an_embedder_that_is_down_is_no_judgement():
    embedder = Counted()
    judge = await opened(embedder=embedder, denied=DENIED)
    embedder.down = True
    with pytest.raises(GuardDown, match="gone"):
        await judge.judge([Piece("What is the capital of France? " * 20)], Context())


async def test_an_enormous_text_is_no_judgement():
    judge = await opened(denied=DENIED)
    with pytest.raises(GuardDown, match="too long"):
        await judge.judge([Piece("A sentence of ours. " * (MOST + 1))], Context())


async def test_lone_surrogates_are_judged():
    assert (await said("\ud800 Which stocks should I buy?", denied=DENIED)).flagged


async def test_without_embedders_it_says_so():
    judge = make(Similarity(kind="similarity", denied=DENIED), "input", Tools())
    with pytest.raises(StartError, match="needs the gateway's embedders"):
        await judge.open()


async def test_an_example_without_a_letter_is_said():
    with pytest.raises(StartError, match="no vectors for the `denied` examples"):
        await opened(denied=("...",))


async def test_an_embedder_that_is_served_may_come_up_later():
    class Late(NGram):
        up = False

        async def embed(self, texts):
            if not self.up:
                raise ConnectionError("not yet")
            return await super().embed(texts)

    late = Late()
    tools = Tools(embedder=lambda section: late, served=("embed",))
    judge = make(Similarity(kind="similarity", denied=DENIED, embedder="embed"), "input", tools)
    await judge.open()
    with pytest.raises(GuardDown, match="no vectors for the `denied` examples"):
        await judge.judge([Piece("Which stocks should I buy?")], Context())
    late.up = True
    assert (await judge.judge([Piece("Which stocks should I buy?")], Context())).flagged


async def test_one_judge_serves_both_sides():
    judge = await opened(allowed=ALLOWED)
    off = [Piece("Tell me about the weather on Mars.", role="user")]
    assert (await judge.judge(off, Context("input"))).flagged
    assert not (await judge.judge(off, Context("output"))).flagged
