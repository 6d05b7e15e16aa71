"""The chat, against a scripted OpenAI server."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator

import pytest

from server.errors import StartError
from server.terminal.chat.answer import Answer
from server.terminal.chat.screen import Screen
from server.terminal.chat.session import Session
from server.terminal.chat.start import connect, run
from tests.server.terminal.scripted import Entry, ScriptedServer, error

LOADING = error(503, "model 'demo' is loading (3 s): try again, or watch GET /ready", "engine_unavailable", retry_after="2")


class Talk:
    """A session whose screen is kept in memory."""

    def __init__(
        self, server: ScriptedServer, *, people: bool = False, as_json: bool = False, sleep: Callable[[float], None] = lambda _: None
    ):
        self.server, self.out, self.err = server, io.StringIO(), io.StringIO()
        self.slept: list[float] = []
        screen = Screen(people=people, as_json=as_json, out=self.out, err=self.err)
        self.session = Session(connect(server.url), ["demo", "poet"], "demo", screen, sleep=lambda s: (self.slept.append(s), sleep(s))[1])

    def __call__(self, *lines: str) -> str:
        for line in lines:
            self.session.feed(line)
        return self.out.getvalue()


@pytest.fixture
def talk() -> Iterator[Callable[..., Talk]]:
    servers: list[ScriptedServer] = []

    def start(*script: Entry, **options: bool) -> Talk:
        server = ScriptedServer(*script).__enter__()
        servers.append(server)
        return Talk(server, **options)

    yield start
    for server in servers:
        server.__exit__(None, None, None)


Start = Callable[..., Talk]


def test_an_answer_is_printed_as_it_came(talk: Start):
    assert talk(["안녕", "하세요", "!"])("안녕") == "안녕하세요!\n"


def test_what_was_said_goes_along_with_the_next_question(talk: Start):
    chat = talk(["one"], ["two"])
    chat("first", "second")
    assert [m["content"] for m in chat.server.requests[1]["messages"]] == ["first", "one", "second"]


def test_a_system_prompt_goes_first_and_reset_keeps_it(talk: Start):
    chat = talk()
    chat("/system You are 시인.", "a", "/reset", "b", "/system -", "c")
    systems = [[m["content"] for m in r["messages"] if m["role"] == "system"] for r in chat.server.requests]
    assert systems == [["You are 시인."], ["You are 시인."], []]
    assert [m["content"] for m in chat.server.requests[1]["messages"]] == ["You are 시인.", "b"]


def test_the_model_can_be_switched_and_an_unknown_one_is_told_the_nearest(talk: Start):
    chat = talk(people=True)
    chat("/model", "/model poet", "hello", "/model peot")
    assert "* demo" in chat.out.getvalue()
    assert chat.server.requests[0]["model"] == "poet"
    assert chat.err.getvalue() == "error: no model 'peot': did you mean 'poet'?\n"


def test_an_unknown_command_is_told_the_nearest_and_is_not_sent(talk: Start):
    chat = talk()
    chat("/sytsem x")
    assert chat.err.getvalue() == "error: no command /sytsem: did you mean /system?\n"
    assert chat.server.requests == []


@pytest.mark.parametrize("line", ["/exit", "/quit", " /exit "])
def test_exit_ends_the_session(talk: Start, line: str):
    assert talk().session.feed(line) is False


def test_an_empty_line_asks_nothing(talk: Start):
    chat = talk()
    assert chat.session.feed("  \n") is True
    assert chat.server.requests == []


def test_a_loading_engine_is_waited_for_and_its_phase_is_said_once(talk: Start):
    chat = talk(LOADING, LOADING, ["ready"])
    assert chat("hello") == "ready\n"
    assert chat.slept == [2.0, 2.0]
    assert chat.err.getvalue() == "waiting: model 'demo' is loading (3 s)\n"


def test_an_engine_that_failed_is_not_waited_for(talk: Start):
    chat = talk(error(503, "model 'demo' failed to start: out of memory", "engine_failed", retry_after="60"))
    chat("hello")
    assert chat.slept == []
    assert chat.err.getvalue() == "error: model 'demo' failed to start: out of memory\n"
    assert chat.session.said == []


def test_ctrl_c_while_waiting_gives_the_prompt_back(talk: Start):
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    chat = talk(LOADING, people=True, sleep=interrupt)
    assert chat.session.feed("hello") is True


def test_an_answer_that_breaks_off_is_said_and_what_came_is_kept(talk: Start):
    chat = talk(["half", None])
    chat("hello")
    assert chat.out.getvalue() == "half\n"
    assert chat.err.getvalue() == "error: the answer broke off: the server closed the stream early\n"
    assert chat.session.said[-1]["content"] == "half"


def test_ctrl_c_stops_the_answer_tells_the_server_and_keeps_the_session(talk: Start):
    chat = talk(["first ", 30.0, "never"], people=True)
    write = chat.out.write

    def interrupt(text: str) -> int:
        if "first" in text:
            write(text)
            raise KeyboardInterrupt
        return write(text)

    chat.out.write = interrupt  # type: ignore[method-assign]
    assert chat.session.feed("hello") is True
    assert chat.server.left.wait(5)
    assert "stopped" in chat.out.getvalue()
    assert chat.session.said[-1]["content"] == "first "


def test_reasoning_is_dim_for_people_and_left_out_of_a_pipe(talk: Start):
    script = [{"reasoning": "hm"}, {"reasoning_content": "m"}, "42"]
    assert "\x1b[2mhm\x1b[0m\x1b[2mm\x1b[0m\n\n42" in talk(script, people=True)("q")
    assert talk(script)("q") == "42\n"


def test_people_see_ttft_and_tokens(talk: Start):
    assert "TTFT" in talk(["a", "b"], people=True)("q")
    assert "2 tokens" in talk(["a", "b"], people=True)("q")


def test_json_is_one_line_an_answer_and_one_an_error(talk: Start, capsys: pytest.CaptureFixture[str]):
    talk(["서울"], error(404, "The model 'demo' does not exist"), as_json=True)("수도?", "again", "/help")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["question"], first["answer"], first["finish_reason"]) == ("수도?", "서울", "stop")
    assert second == {"error": {"message": "The model 'demo' does not exist"}}


def test_tab_completes_commands_and_models(talk: Start):
    session = talk().session
    assert session.complete("/mo") == ["/model"]
    assert session.complete("/model p") == ["/model poet"]
    assert session.complete("hello") == []


def test_tokens_a_second_leave_the_first_token_out():
    assert Answer(text="x", completion_tokens=11, ttft=1.0, seconds=3.0).tokens_per_second == 5.0
    assert Answer(text="x", completion_tokens=1, ttft=1.0, seconds=1.0).tokens_per_second is None


def test_no_server_is_one_sentence_that_says_what_to_start():
    with pytest.raises(StartError, match=r"no server answers at http://127.0.0.1:1/v1: start one with `sllm serve`"):
        run("127.0.0.1:1", None, as_json=False)


def test_a_proxy_is_not_asked_for_a_server_on_this_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with ScriptedServer(["hi"]) as server:
        chat = Talk(server)
        assert chat("hello") == "hi\n"


def test_an_answer_is_shown_before_it_is_complete(talk: Start):
    chat = talk(["early ", 1.0, "late"])
    seen: list[float] = []
    write = chat.out.write
    chat.out.write = lambda text: (seen.append(time.monotonic()), write(text))[1]  # type: ignore[method-assign]
    chat("hello")
    assert seen[1] - seen[0] > 0.5
