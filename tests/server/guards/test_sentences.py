import random

import pytest

from server.guards.sentences import AHEAD, LONGEST, Sentences, split

TEXTS = {
    "korean": (
        '안녕하세요. 저는 김철수입니다. 오늘은 2024. 5. 3. 금요일입니다! "정말요?" 하고 물었습니다.그래서 답했다. '
        "네. 알겠어요. 값은 3.14예요"
    ),
    "english": (
        "Mr. Smith met J. K. Rowling at 5 p.m. in the U.S. office. It cost $3.50! Is it fine, e.g. for you? "
        'Sure. "Yes." He left... then came.'
    ),
    "list": "1. The first thing to do\n2. The second thing to do\n\n- milk\n- bread and butter\n\n\n\nThat is all.",
    "full width": "今日はいい天気です。明日も晴れるでしょう。それでいいですか？はい",
    "no end": "가나다라마바사 " * 300,
    "no space": "a" * 2000,
    "marks": "!?" * 1500,
    "dots": "." * 1500,
    "white": "\n \n\t" * 300,
    "empty": "",
    "code": "def f(x):\n    return x.y(1.5)\n\nprint(f(3)) # done. really.\n",
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_together_the_sentences_are_the_text(name):
    assert "".join(split(TEXTS[name])) == TEXTS[name]


@pytest.mark.parametrize("name", TEXTS)
def test_no_sentence_is_longer_than_the_cap(name):
    assert all(len(sentence) < LONGEST + AHEAD for sentence in split(TEXTS[name]))


@pytest.mark.parametrize("name", TEXTS)
def test_every_cut_into_two_gives_the_same_sentences(name):
    text = TEXTS[name]
    whole = split(text)
    for cut in range(len(text) + 1):
        sentences = Sentences()
        assert [*sentences.feed(text[:cut]), *sentences.feed(text[cut:]), *sentences.finish()] == whole, cut


@pytest.mark.parametrize("name", TEXTS)
def test_any_chunks_give_the_same_sentences(name):
    text, chance = TEXTS[name], random.Random(7)
    whole = split(text)
    for _ in range(50):
        sentences, found, at = Sentences(), [], 0
        while at < len(text):
            size = chance.randint(1, 9)
            found += sentences.feed(text[at : at + size])
            at += size
        assert found + sentences.finish() == whole


@pytest.mark.parametrize(
    "text",
    [
        "The price is 3.50 for Mr. Smith and Dr. Jones",
        "오늘은 2024. 5. 3. 이고 값은 1.5 입니다",
        "1. First item of the list",
        "Ask J. R. Tolkien, e.g. about elves, etc. and so on",
        "네. 알겠어요",
    ],
)
def test_these_are_one_sentence(text):
    assert len(split(text)) == 1


def test_korean_sentences_end_without_a_space_too():
    assert split("저는 학교에 갔습니다.그리고 집으로 돌아왔어요.끝났다") == ["저는 학교에 갔습니다.", "그리고 집으로 돌아왔어요.", "끝났다"]


def test_a_sentence_comes_out_as_soon_as_two_characters_follow():
    sentences = Sentences()
    assert sentences.feed("This is the first sentence.") == []
    assert sentences.feed(" N") == ["This is the first sentence."]


def test_a_line_comes_out_at_its_end():
    assert Sentences().feed("- a line of a list\n") == ["- a line of a list\n"]


def test_a_closing_quote_stays_with_its_sentence():
    assert split('He said "this is enough." Then he left the room.')[0] == 'He said "this is enough."'
