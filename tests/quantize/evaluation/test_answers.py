from quantize.evaluation import answers
from quantize.evaluation.answers import Answer
from quantize.evaluation.texts import Question


class Echo:
    """Answers with what it is told to; remembers the limits."""

    def __init__(self, **said):
        self.said, self.limits = said, set()

    async def answer(self, question, limit):
        self.limits.add(limit)
        return self.said[question.prompt]


def answer(got, wanted="Hello.", language=""):
    return Answer(prompt="Hi", wanted=wanted, got=got, language=language)


def test_white_space_around_an_answer_does_not_count_and_nothing_else_is_forgiven():
    assert answer(" Hello.\n").right
    assert not answer("hello.").right
    assert not answer("Hello. ").model_copy(update={"wanted": "Hello"}).right


def test_shares_by_language():
    found = [answer("Hello.", language="en"), answer("x", language="en"), answer("Hello.", language="ko")]
    assert answers.share_right(found) == 2 / 3
    assert answers.by_language(found) == {"en": 0.5, "ko": 1.0}
    assert answers.by_language([answer("Hello.")]) == {}


async def test_answers_keep_the_order_of_their_questions_and_no_right_one_is_cut_off():
    client = Echo(a="1", b="세종대왕")
    found = await answers.ask(client, [Question("a", "1"), Question("b", "세종대왕", "ko")], 2048, lambda _: None)
    assert [(a.prompt, a.got, a.right, a.language) for a in found] == [("a", "1", True, ""), ("b", "세종대왕", True, "ko")]
    assert client.limits == {len("세종대왕".encode()) + 8}
