import pytest

from benchmarks.loadgen.events import DETAIL, decode, error_of, said


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"message": "too long", "code": 400}}', "too long"),
        (b'{"error": "too long"}', "too long"),
        (b'{"object": "error", "message": "too long"}', "too long"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b"<html>\n Bad   Gateway</html>", "<html> Bad Gateway</html>"),
        (b'{"other": 1}', '{"other": 1}'),
        (b"[1]", "[1]"),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_servers_own_words_are_found(body, words):
    assert said(body) == words


def test_words_are_cut():
    assert len(said(b"x" * 5000)) == DETAIL


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (b'{"object": "error", "message": "out of memory"}', "out of memory"),
        (b'{"type": "error", "error": {"message": "no"}}', "no"),
        (b'{"type": "ping"}', None),
        (b"[]", None),
    ],
)
def test_an_error_without_the_usual_name_is_one(event, words):
    assert error_of(event) == words


def test_fields_that_nothing_is_made_of_are_passed_over():
    event = decode(b'{"id": 1, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a"}, "logprobs": {"x": []}}]}')
    assert event.choices is not None
    assert event.choices[0].delta is not None
    assert event.choices[0].delta.content == "a"
