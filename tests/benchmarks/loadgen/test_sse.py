import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.loadgen.sse import Events

STREAM = (
    "\ufeffdata: one\n\n"
    ": a comment\n\n"
    "event: message\r\ndata: 안녕 🙂\r\nid: 7\r\n\r\n"
    "data:two\ndata: lines\n\n"
    "data\n\n"
    "data: \n\n"
    "retry: 3\rdata: carriage\r\r"
    "data:  two spaces\n\n"
    "datax: no\n\n"
    "data: [DONE]\n\n"
).encode()
HELD = [b"one", "안녕 🙂".encode(), b"two\nlines", b"carriage", b" two spaces", b"[DONE]"]


def read(*pieces):
    events = Events()
    return [event for piece in pieces for event in events.feed(piece)]


def test_a_stream_in_one_read_gives_all_its_events():
    assert read(STREAM) == HELD


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_a_stream_cut_at_any_byte_gives_the_same(at):
    assert read(STREAM[:at], STREAM[at:]) == HELD


def test_a_stream_byte_by_byte_gives_the_same():
    assert read(*[STREAM[i : i + 1] for i in range(len(STREAM))]) == HELD


@given(
    texts=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), min_size=1), max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    data=st.data(),
)
def test_any_texts_in_any_pieces_come_back(texts, end, data):
    stream = "".join(f"data: {text}{end}{end}" for text in texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*pieces) == [text.encode() for text in texts]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_given_with_its_last_byte_and_not_with_the_next_event(end):
    events = Events()
    assert events.feed(b"data: a" + end) == []
    assert events.feed(end[:1]) == [b"a"]


def test_an_event_that_the_end_leaves_open_is_the_rest():
    events = Events()
    assert events.feed(b"data: a\n\ndata: [DONE]") == [b"a"]
    assert events.rest() == b"[DONE]"


def test_nothing_left_open_is_no_rest():
    events = Events()
    events.feed(b"data: a\n\n: ping\n")
    assert events.rest() == b""


def test_a_body_that_is_no_event_stream_gives_no_events():
    assert read(b'{"error": {"message": "no"}}\n\n') == []
