"""The chat as a person has it: in a pseudo-terminal, and over a pipe."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

from server.settings import ROOT
from tests.server.terminal.scripted import ScriptedServer, error


class Terminal:
    """`sllm chat` in a pseudo-terminal of its own."""

    def __init__(self, url: str, home: Path, **environ: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            plain = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
            os.chdir(ROOT)
            os.execve(
                sys.executable, [sys.executable, "sllm.py", "chat", "--url", url], {**plain, "HOME": str(home), "TERM": "xterm", **environ}
            )
        self.unread = ""

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def until(self, text: str, timeout: float = 60.0) -> None:
        """Read until `text` has come."""
        end = time.monotonic() + timeout
        while text not in self.unread:
            assert time.monotonic() < end, f"{text!r} did not come: {self.unread!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                self.unread += os.read(self.fd, 4096).decode(errors="replace")
        self.unread = self.unread.partition(text)[2]

    def exit_code(self) -> int:
        try:
            while os.read(self.fd, 4096):
                pass
        except OSError:  # the other side is closed
            pass
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return code


def test_a_session_in_a_terminal_edits_hangul_stops_on_ctrl_c_and_leaves_on_ctrl_d(tmp_path: Path):
    with ScriptedServer(["안녕하세요"], ["endless ", 60.0], ["third"]) as server:
        terminal = Terminal(server.url, tmp_path, LC_ALL="C")
        terminal.until("> ")
        terminal.type("가나다\x7f라\x1b[D\x1b[D마\r")  # backspace takes one syllable, the arrows go over one each
        terminal.until("TTFT")
        assert server.requests[0]["messages"][-1]["content"] == "가마나라"
        terminal.until("> ")
        terminal.type("long\r")
        terminal.until("endless")
        terminal.type("\x03")
        terminal.until("stopped")
        assert server.left.wait(5)
        terminal.until("> ")
        terminal.type("more\r")
        terminal.until("third")
        terminal.until("> ")
        terminal.type("\x04")
        assert terminal.exit_code() == 0
    history = tmp_path / ".local/share/sllm/chat_history"
    assert history.read_text(encoding="utf-8").splitlines()[-3:] == ["가마나라", "long", "more"]
    assert history.stat().st_mode & 0o077 == 0


def test_ctrl_c_twice_at_the_prompt_leaves(tmp_path: Path):
    with ScriptedServer() as server:
        terminal = Terminal(server.url, tmp_path)
        for line, answer in (("half a line", "once more"), ("x", "\r\n")):
            terminal.until("> ")
            terminal.type(line)
            terminal.until(line)  # echoed: the line is being edited
            time.sleep(0.3)  # and waited for: a signal just before the wait shows only with the next key
            terminal.type("\x03")
            terminal.until(answer)
        assert terminal.exit_code() == 0
    assert server.requests == []


def piped(url: str, text: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "sllm.py", "chat", "--url", url, *flags], input=text, capture_output=True, text=True, cwd=ROOT, timeout=60
    )


def test_a_pipe_gets_one_plain_answer_a_line():
    with ScriptedServer(["하나"], ["둘"]) as server:
        done = piped(f"{server.url}/v1", "1?\n\n2?\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "하나\n둘\n", "")


def test_a_pipe_with_a_failed_question_goes_on_and_exits_with_1():
    with ScriptedServer(error(400, "too long"), ["fine"]) as server:
        done = piped(server.url, "a\nb\n")
    assert (done.returncode, done.stdout, done.stderr) == (1, "fine\n", "error: too long\n")


def test_an_unknown_model_is_named_with_the_nearest():
    with ScriptedServer() as server:
        done = piped(server.url, "a\n", "--model", "dmeo")
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean 'demo'?" in done.stderr
