"""`sllm batch --url`: what becomes of lines when the server, the file or the process does something else than work."""

import asyncio
import json
import random
import signal
import time

import pytest

from tests.scripted import CHAT, json_answer
from tests.server.offline.conftest import asked, says_hello, server


def test_each_line_gets_its_answer(command, upstream):
    command.write(50)
    code, said = command.json("--url", upstream.url)
    assert code == 0
    assert (said["lines"], said["ok"], said["failed"], said["left"]) == (50, 50, 0, 0)
    assert said["output_tokens"] == 150
    assert command.ids() == list(range(1, 51))
    first = command.results()[0]
    assert first["error"] is None
    assert first["response"]["status_code"] == 200
    assert first["response"]["body"] == CHAT
    assert not command.errors.exists()


def test_a_job_that_is_done_runs_nothing_again(command, upstream):
    command.write(5)
    command.run("--url", upstream.url)
    count = len(asked(upstream))
    code, said = command.run("--url", upstream.url)
    assert code == 0
    assert "nothing is left to run" in said
    assert len(asked(upstream)) == count


def test_killed_at_any_moment_nothing_is_lost_or_doubled(command, upstream):
    rng = random.Random(4)

    async def slowly(request, reply):
        await asyncio.sleep(rng.random() * 0.05)
        await reply.json(CHAT)

    upstream.script = server(slowly)
    command.write(1500)
    kills = 0
    while kills < 5:
        process = command.start("--url", upstream.url, "--concurrency", "16")
        done = len(asked(upstream))
        until(lambda process=process, done=done: len(asked(upstream)) > done + 20 or process.poll() is not None)
        time.sleep(rng.random() * 0.3)
        process.kill()
        process.wait()
        kills += 1
    code, _ = command.run("--url", upstream.url)
    assert code == 0
    assert command.ids() == list(range(1, 1501))
    assert len(asked(upstream)) <= 1500 + 5 * 16  # only what was in flight is asked again


def test_the_wrong_lines_are_named_and_the_rest_goes_on(command, upstream):
    command.write(4)
    lines = command.input.read_text().splitlines()
    lines[1] = '{"custom_id": "x"'
    lines[3] = lines[0]
    command.input.write_text("\n".join(lines) + "\n")
    code, said = command.run("--url", upstream.url)
    assert code == 1
    assert "Line 2" in said
    assert "Line 4" in said
    assert [row["custom_id"] for row in command.results()] in (["id-1", "id-3"], ["id-3", "id-1"])
    errors = {row["line"]: row["error"]["code"] for row in command.results(command.errors)}
    assert errors == {2: "invalid_json_line", 4: "duplicate_custom_id"}


def test_what_the_server_refuses_goes_to_the_errors_with_its_answer(command, upstream):
    async def picky(request, reply):
        if "Say 2" in request.body.decode():
            await reply.json({"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}}, 400)
        else:
            await reply.json(CHAT)

    upstream.script = server(picky)
    command.write(3)
    code, said = command.run("--url", upstream.url)
    assert code == 1
    assert "--retry-failed" in said
    (row,) = command.results(command.errors)
    assert (row["custom_id"], row["line"], row["response"]["status_code"]) == ("id-2", 2, 400)
    assert row["response"]["body"]["error"]["code"] == "context_length_exceeded"
    upstream.script = server(says_hello)
    assert command.run("--url", upstream.url)[0] == 1  # what failed is done
    assert command.run("--url", upstream.url, "--retry-failed")[0] == 0
    assert command.ids() == [1, 2, 3]
    assert not command.errors.exists()


def test_a_busy_server_is_asked_again_when_it_says(command, upstream):
    refused = []

    async def limits(request, reply):
        if len(refused) < 3:
            refused.append(time.monotonic())
            await reply.json({"error": {"message": "slow down"}}, 429, "retry-after: 1\r\n")
        else:
            await reply.json(CHAT)

    upstream.script = server(limits)
    command.write(3)
    code, said = command.json("--url", upstream.url)
    assert (code, said["ok"], said["sent_again"]) == (0, 3, 3)


def test_a_server_that_breaks_off_is_asked_again(command, upstream):
    seen = set()

    async def breaks(request, reply):
        if request.body in seen:
            await reply.json(CHAT)
        else:
            seen.add(request.body)
            reply.reset()

    upstream.script = server(breaks)
    command.write(4)
    assert command.json("--url", upstream.url)[1]["ok"] == 4


def test_a_server_that_goes_away_is_waited_for(command, upstream):
    from tests.scripted import scripted_in_thread

    upstream.script = server(says_hello)
    command.write(400)

    async def slowly(request, reply):
        await asyncio.sleep(0.02)
        await reply.json(CHAT)

    with scripted_in_thread(server(slowly)) as first:
        port = first.port
        process = command.start("--url", first.url, "--concurrency", "4")
        until(lambda: len(asked(first)) > 20)
    time.sleep(1)
    assert process.poll() is None
    with scripted_in_thread(server(says_hello), port=port):
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "cannot be reached" in err
    assert command.ids() == list(range(1, 401))


def test_a_refused_key_stops_the_job_before_every_line_has_failed(command, upstream):
    upstream.script = server(json_answer({"error": {"message": "no such key"}}, 401))
    command.write(100)
    code, said = command.json("--url", upstream.url, "--concurrency", "2")
    assert code == 1
    assert "refuses the API key" in said["error"]["message"]
    assert (said["failed"], said["left"]) == (0, 100)
    assert len(asked(upstream)) <= 4


def test_the_key_goes_along_and_is_never_said(command, upstream):
    command.write(2)
    code, said = command.run("--url", upstream.url, "--api-key-env", "MY_KEY", env={"MY_KEY": "sk-secret"})
    assert code == 0
    assert {request.headers.get("authorization") for request in upstream.requests} == {"Bearer sk-secret"}
    assert "sk-secret" not in said


def test_a_key_that_is_not_set_is_said_before_anything(command, upstream):
    command.write(1)
    code, said = command.run("--url", upstream.url, "--api-key-env", "MY_KEY")
    assert (code, "MY_KEY" in said, "not set" in said) == (2, True, True)


def test_ctrl_c_keeps_what_runs_and_the_same_command_goes_on(command, upstream):
    async def slowly(request, reply):
        await asyncio.sleep(0.1)
        await reply.json(CHAT)

    upstream.script = server(slowly)
    command.write(500)
    process = command.start("--url", upstream.url, "--concurrency", "4")
    until(lambda: len(asked(upstream)) > 20)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "run the same command to go on" in out
    done = command.ids()
    assert len(done) == len(set(done)) == len(asked(upstream))  # all that was asked is kept
    upstream.script = server(says_hello)
    assert command.run("--url", upstream.url)[0] == 0
    assert command.ids() == list(range(1, 501))


def test_ctrl_c_twice_ends_at_once(command, upstream):
    async def never(request, reply):
        await asyncio.Event().wait()

    upstream.script = server(never)
    command.write(5)
    process = command.start("--url", upstream.url)
    until(lambda: asked(upstream))
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 1


@pytest.mark.parametrize("deed", ["deleted", "changed"])
def test_an_input_that_is_touched_while_it_runs_stops_the_job(command, upstream, deed):
    async def slowly(request, reply):
        await asyncio.sleep(0.05)
        await reply.json(CHAT)

    upstream.script = server(slowly)
    command.write(2000)
    process = command.start("--url", upstream.url, "--concurrency", "4")
    until(lambda: len(asked(upstream)) > 10)
    if deed == "deleted":
        command.input.unlink()
    else:
        command.input.write_text(command.input.read_text() + "\n\n")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"in.jsonl was {deed}" in out + err
    assert 10 < len(command.ids()) < 2000


def test_an_output_of_another_job_is_refused(command, upstream):
    command.write(3)
    command.run("--url", upstream.url)
    command.write(4)
    before = command.out.read_bytes()
    code, said = command.run("--url", upstream.url)
    assert code == 2
    assert "--restart" in said
    assert command.out.read_bytes() == before
    assert command.run("--url", upstream.url, "--restart")[0] == 0
    assert command.ids() == [1, 2, 3, 4]


def test_two_at_one_output_the_second_is_refused(command, upstream):
    hold = []

    async def waits(request, reply):
        while not hold:
            await asyncio.sleep(0.02)
        await reply.json(CHAT)

    upstream.script = server(waits)
    command.write(3)
    first = command.start("--url", upstream.url)
    until(lambda: asked(upstream))
    code, said = command.run("--url", upstream.url)
    assert code == 2
    assert "another `sllm batch`" in said
    hold.append(True)
    first.communicate(timeout=20)
    assert first.returncode == 0
    assert command.ids() == [1, 2, 3]


def test_a_table_with_a_template(command, upstream):
    source = command.folder / "words.csv"
    source.write_text("id,text\na,hello\nb,bye\n")
    flags = ("--url", upstream.url, "--prompt", "Translate: {text}", "--system", "Be brief.", "--set", "max_tokens=5")
    code, _ = command.run(*flags, source=source)
    assert code == 0
    assert sorted(asked(upstream)) == ["Translate: bye", "Translate: hello"]
    body = next(request.json for request in upstream.requests if request.method == "POST")
    assert (body["model"], body["max_tokens"], body["messages"][0]["content"]) == ("m", 5, "Be brief.")
    assert sorted(row["custom_id"] for row in command.results()) == ["a", "b"]


def test_a_model_that_nobody_serves_is_said_before_anything_runs(command, upstream):
    command.write(3, model="gpt-4o")
    code, said = command.run("--url", upstream.url)
    assert code == 1
    assert "gpt-4o" in said
    assert "'m'" in said
    assert not command.out.exists()
    assert asked(upstream) == []


def test_a_server_that_is_not_there_is_said_before_anything_runs(command):
    command.write(1)
    code, said = command.run("--url", "http://127.0.0.1:9")
    assert code == 1
    assert "nothing answers at http://127.0.0.1:9" in said


def test_guards_of_the_configuration_apply(command, upstream):
    config = command.folder / "sllm.yaml"
    config.write_text("guards: [{kind: pattern, words: [forbidden], action: block}]\n")
    command.write(2)
    command.input.write_text(command.input.read_text().replace("Say 2", "forbidden"))
    code, _ = command.run("--url", upstream.url, "--config", str(config))
    assert code == 1
    assert asked(upstream) == ["Say 1"]
    (row,) = command.results(command.errors)
    assert row["response"]["body"]["error"]["code"] == "content_filter"


def test_the_cache_answers_what_it_has_unless_it_is_told_not_to(command, upstream):
    command.write(3)
    command.run("--url", upstream.url)
    assert len(asked(upstream)) == 3
    command.run("--url", upstream.url, "--restart")
    assert len(asked(upstream)) == 3
    command.run("--url", upstream.url, "--restart", "--no-cache")
    assert len(asked(upstream)) == 6


def test_check_only_looks(command, upstream):
    command.write(3)
    command.input.write_text(command.input.read_text() + "nonsense\n")
    code, said = command.json("--check")
    assert (code, said["ok"], said["lines"], said["bad"], said["models"]) == (1, False, 4, 1, {"m": 3})
    assert said["errors"][0]["line"] == 4
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ((), "--model MODEL"),
        (("--url", "http://h:1", "--ray", "auto"), "--ray"),
        (("--url", "http://h:1", "--resume", "--restart"), "choose one"),
        (("--url", "http://h:1", "--set", "x"), "NAME=VALUE"),
        (("--url", "http://h:1", "--", "--max-num-seqs", "8"), "somebody else"),
        (("--url", "http://h:1", "--as", "x"), "--as is for --model"),
    ],
)
def test_flags_that_do_not_go_together(command, flags, told):
    command.write(1)
    code, said = command.run(*flags)
    assert code == 2
    assert told in said


def test_the_input_cannot_be_the_output(command, upstream):
    command.write(1)
    command.out = command.input
    code, said = command.run("--url", upstream.url)
    assert code == 2
    assert "is the input itself" in said


def test_one_json_document_whatever_happens(command):
    command.write(1)
    process = command.start("--url", "http://127.0.0.1:9", "--json")
    out, _ = process.communicate(timeout=20)
    assert json.loads(out)["error"]["exit_code"] == 1


def until(look, within=20.0):
    end = time.monotonic() + within
    while not look():
        assert time.monotonic() < end
        time.sleep(0.01)
