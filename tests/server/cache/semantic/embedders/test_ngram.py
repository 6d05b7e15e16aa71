import numpy as np
import pytest

from server.cache.semantic.embedders.base import EmbedderDown
from server.cache.semantic.embedders.ngram import DIMENSIONS, NGram, embed, features


def similar(a, b):
    return float(embed(a) @ embed(b))


async def test_vectors_have_length_one_and_the_dimensions_they_say():
    (vector,) = await NGram().embed(["how do I reset my password"])
    assert vector.shape == (DIMENSIONS,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_it_is_the_same_in_every_process():
    assert float(embed("hello").sum()) == pytest.approx(HELLO, abs=1e-5)


def test_case_and_marks_do_not_count():
    assert similar("How do I reset my password?", "how do i reset my password") == pytest.approx(1)


def test_other_spellings_are_near_and_other_questions_far():
    assert similar("how do I reset my password", "how can I reset my pasword") > 0.6
    assert similar("how do I reset my password", "what is the capital of France") < 0.3


def test_hangul_is_compared_by_its_jamo():
    particle = similar("서울에서 부산까지 얼마나 걸려", "서울서 부산까지 얼마나 걸려요")
    assert particle > 0.6
    assert particle > similar("서울에서 부산까지 얼마나 걸려", "점심 메뉴를 추천해 줘") + 0.4
    assert set(features("먹다")) & set(features("먹었다"))


@pytest.mark.parametrize("text", ["", "?!", " \n", "🙂"])
def test_a_text_without_letters_has_no_vector(text):
    with pytest.raises(EmbedderDown):
        embed(text)


def test_broken_unicode_does_not_break_it():
    assert embed("a\ud800b").shape == (DIMENSIONS,)


HELLO = -0.2773500680923462  # the sum of its vector, as another process has computed it
