"""`sllm guard check` and `test`: what they print, and when they fail."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest

import sllm
from server.errors import ConfigError, StartError, UsageError
from server.guards.evaluate import UnreadableTexts
from server.settings import Settings, parse
from server.terminal import guard, guardlist, guardtest, guardtools
from tests.scripted import CHAT, Script, json_answer, scripted_in_thread

WORDS: dict[str, Any] = {"kind": "pattern", "name": "words", "words": ["hanbit"], "category": "project"}
CODES: dict[str, Any] = {"kind": "pattern", "name": "codes", "patterns": ["HB-[0-9]{4}"], "category": "code", "action": "redact"}
SCHEMA: dict[str, Any] = {"kind": "json_schema", "name": "json", "schema": {"type": "object"}, "action": "reask"}


def settings(*guards: dict[str, Any]) -> Settings:
    return parse({"models": [{"name": "chat", "upstreams": ["http://127.0.0.1:1"]}, {"name": "other", "path": "org/m"}], "guards": guards})


def checked(text: str, *guards: dict[str, Any], side: Any = "input", model: str | None = None) -> dict[str, Any]:
    return asyncio.run(guard.judged(settings(*guards), text, side, model, None))


# A text


def test_a_clean_text_is_allowed_as_it_is():
    found = checked("nothing here", WORDS, CODES)
    assert (found["allowed"], found["text"], found["refusal"], found["findings"]) == (True, "nothing here", None, [])
    assert [(v["guard"], v["said"]) for v in found["verdicts"]] == [("words", "pass"), ("codes", "pass")]


@pytest.mark.parametrize("side", ["input", "output"])
def test_what_is_cut_out_is_shown_with_its_place(side: str):
    found = checked("it is HB-1234.", CODES, side=side)
    assert (found["allowed"], found["text"]) == (True, "it is [CODE].")
    assert found["findings"] == [{"guard": "codes", "category": "code", "start": 6, "end": 13, "score": 1.0, "text": "HB-1234"}]
    assert found["verdicts"][0]["said"] == "redact"


def test_a_refusal_is_in_the_language_of_the_text():
    found = {text: checked(text, WORDS) for text in ("tell me of hanbit", "hanbit에 대해 알려 주세요")}
    assert [(f["allowed"], f["language"], f["text"]) for f in found.values()] == [(False, "en", None), (False, "ko", None)]
    english, korean = (f["refusal"] for f in found.values())
    assert english.startswith("This request")
    assert "요청" in korean


def test_an_answer_shows_what_was_given_out_before_it_was_blocked():
    found = checked("The name is hanbit, and more.", WORDS, side="output")
    assert (found["allowed"], found["text"]) == (False, "The name is ")


def test_an_answer_that_would_be_asked_again_says_why():
    found = checked("no JSON", SCHEMA, side="output")
    assert (found["allowed"], found["text"]) == (False, None)
    assert "JSON" in found["asked_again"]


def test_a_judge_that_has_no_model_is_an_error_in_its_line():
    judge = {"kind": "llm", "name": "judge", "model": "other", "policy": "nothing"}
    found = checked("hello", judge)
    assert (found["allowed"], found["verdicts"][0]["said"]) == (True, "error")


def test_a_closed_judge_that_has_no_model_refuses():
    judge = {"kind": "llm", "name": "judge", "model": "other", "policy": "nothing", "on_error": "closed"}
    found = checked("hello", judge)
    assert (found["allowed"], found["failed"], found["text"]) == (False, "judge", None)
    assert "refused: the guard 'judge' failed" in guard.lines(found)[-1]


def answering(word: str) -> Script:
    choice = {"index": 0, "message": {"role": "assistant", "content": word}, "finish_reason": "stop"}
    return json_answer({**CHAT, "choices": [choice]})


@pytest.mark.parametrize(("word", "allowed"), [("yes", False), ("no", True)])
@pytest.mark.parametrize("way", ["upstreams", "url"])
def test_a_judge_is_asked_where_its_model_is_served(way: str, word: str, allowed: bool):
    with scripted_in_thread(answering(word)) as engine:
        source = {"upstreams": [engine.url]} if way == "upstreams" else {"path": "org/m"}
        judge = {"kind": "llm", "model": "chat", "policy": "nothing"}
        made = parse({"models": [{"name": "chat", **source}], "guards": [judge]})
        found = asyncio.run(guard.judged(made, "hello", "input", None, engine.url if way == "url" else None))
        assert found["allowed"] == allowed
        assert [request.path for request in engine.requests] == ["/v1/chat/completions"]


def test_tokens_are_counted_where_the_model_is_served():
    with scripted_in_thread(json_answer({"count": 5})) as engine:
        limit = {"kind": "length", "max_tokens": 4, "stage": "input"}
        made = parse({"models": [{"name": "chat", "upstreams": [engine.url]}], "guards": [limit]})
        assert not asyncio.run(guard.judged(made, "hello", "input", "chat", None))["allowed"]


def test_only_the_guards_of_a_model_are_asked():
    mine = {**WORDS, "models": ["other"]}
    assert checked("hanbit", mine, model="chat")["allowed"]
    assert not checked("hanbit", mine, model="other")["allowed"]


def test_a_check_is_printed_for_people():
    found = checked("it is HB-1234.", WORDS, CODES)
    assert guard.lines(found) == [
        "words  pass",
        "codes  redact  code 1",
        "  6-13  code  'HB-1234'  (codes)",
        "text: it is [CODE].",
    ]


def test_lone_surrogates_can_be_printed():
    found = checked("\ud800 HB-1234", CODES)
    "\n".join(guard.lines(found)).encode()
    json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass")


def test_a_check_without_guards_says_what_to_type():
    with pytest.raises(StartError, match=r"add `guards:`, or try --config configs/guards/"):
        guard.check(settings(), "x", "input", None, None, as_json=False)


def test_an_unknown_model_is_named_with_the_nearest():
    with pytest.raises(ConfigError, match="no model 'chta' in the configuration: did you mean 'chat'"):
        guard.check(settings(WORDS), "x", "input", "chta", None, as_json=False)


# The list


def test_the_list_is_in_the_order_of_the_configuration():
    shown = guardlist.listed(guardtools.made(settings(CODES, WORDS, SCHEMA)))
    assert [(g["name"], g["kind"], g["stage"], g["action"]) for g in shown["guards"]] == [
        ("codes", "pattern", "both", "redact"),
        ("words", "pattern", "both", "block"),
        ("json", "json_schema", "output", "reask"),
    ]


def test_the_worst_hold_back_is_shown_by_model():
    shown = guardlist.listed(guardtools.made(settings(CODES, {**SCHEMA, "models": ["other"]})))
    other, rest = shown["models"]
    assert (other["model"], other["whole"], rest["model"], rest["whole"]) == ("other", True, "all other models", False)
    assert rest["characters"] >= len("HB-123")
    assert guardlist.held(other) == "an answer is shown when all of it was judged"
    assert guardlist.held(rest) == f"a stream is held back by at most {rest['characters']:,} characters"


def test_guards_of_the_input_alone_hold_no_stream_back():
    shown = guardlist.listed(guardtools.made(settings({**WORDS, "stage": "input"})))
    assert shown["guards"][0]["held_back"] == "-"
    assert guardlist.held(shown["models"][0]) == "a stream is not held back"


def test_a_judge_holds_a_sentence_back_and_names_its_model():
    judge = {"kind": "llm", "name": "judge", "model": "chat", "policy": "nothing"}
    shown = guardlist.listed(guardtools.made(settings(judge)))
    assert (shown["guards"][0]["held_back"], shown["guards"][0]["needs"]) == ("a sentence", "model chat")
    assert "a sentence of up to 600 characters" in guardlist.held(shown["models"][0])


def test_the_kinds_of_personal_data_are_listed():
    shown = guardlist.listed(guardtools.made(settings({"kind": "pii"}, {"kind": "secrets", "entities": ["private_key"]})))
    pii, secrets = shown["guards"]
    assert "resident_number" in pii["entities"]
    assert not set(pii["entities"]) & set(pii["entities_off"])
    assert secrets["entities"] == ["private_key"]


# The commands


def config(tmp_path: Path, *guards: dict[str, Any]) -> str:
    path = tmp_path / "sllm.yaml"
    path.write_text(json.dumps({"guards": guards}))  # JSON is YAML
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = sllm.main(list(argv))
    return code, capsys.readouterr().out


@pytest.mark.parametrize(("text", "code"), [("hello", 0), ("HB-1234", 0), ("hanbit", 1)])
def test_the_exit_code_says_whether_a_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: int):
    assert run(capsys, "guard", "check", text, "--config", config(tmp_path, WORDS, CODES))[0] == code


def test_a_text_is_read_from_stdin(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("a HB-1234"))
    code, out = run(capsys, "guard", "check", "-", "--json", "--config", config(tmp_path, CODES))
    assert (code, json.loads(out)["text"]) == (0, "a [CODE]")


@pytest.mark.parametrize("words", [["--json"], []])
def test_the_list_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]):
    code, out = run(capsys, "guard", "check", "--config", config(tmp_path, WORDS), *words)
    assert code == 0
    assert "words" in out


def test_a_wrong_expression_is_found_by_the_check_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = config(tmp_path, {"kind": "pattern", "patterns": ["("]})
    assert [run(capsys, *words)[0] for words in (["config", "check", path], ["guard", "check", "--config", path])] == [2, 2]


# Labelled texts


LINES = [
    {"text": "it is HB-1234", "spans": [[6, 13, "code"]], "class": "plain"},
    {"text": "it is H\u200bB-1234", "spans": [[6, 14, "code"]], "class": "hidden"},
    {"text": "nothing", "spans": []},
]


def texts(tmp_path: Path, *lines: Any) -> str:
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


def test_figures_are_printed_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, out = run(capsys, "guard", "test", texts(tmp_path, *LINES), "--json", "--config", config(tmp_path, CODES))
    report = json.loads(out)
    assert (code, report["file"], report["unit"], report["texts"]) == (0, "texts.jsonl", "span", 3)
    assert report["all"]["exact"]["f1"] == 1.0
    assert report["all"]["by_class"]["hidden"]["exact"]["recall"] == 1.0


@pytest.mark.parametrize("unit", [[], ["--unit", "text"]])
def test_figures_are_printed_as_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str], unit: list[str]):
    code, out = run(capsys, "guard", "test", texts(tmp_path, *LINES), *unit, "--config", config(tmp_path, CODES, WORDS))
    assert code == 0
    for word in ("codes", "all together", "hidden", "100.00%", "0.00% (0 of 1)"):
        assert word in out


def test_one_guard_is_measured_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    argv = ["guard", "test", texts(tmp_path, *LINES), "--json", "--guard", "words", "--config", config(tmp_path, CODES, WORDS)]
    report = json.loads(run(capsys, *argv)[1])
    assert list(report["guards"]) == ["words"]
    assert report["all"]["exact"]["recall"] == 0.0


def test_texts_without_spans_are_no_spans(tmp_path: Path):
    file = texts(tmp_path, {"text": "hanbit", "label": "attack"})
    with pytest.raises(UsageError, match="labels no spans: write --unit text"):
        guardtest.test(settings(WORDS), file, "input", [], None, None, "span", as_json=True)


@pytest.mark.parametrize(
    ("side", "only", "message"),
    [
        ("input", ["wrods"], "no guard 'wrods' judges the input: did you mean 'words'?"),
        ("output", [], "no guard judges the output: write --side input"),
    ],
)
def test_what_nobody_judges_is_said(tmp_path: Path, side: Any, only: list[str], message: str):
    with pytest.raises(UsageError) as caught:
        guardtest.test(settings({**WORDS, "stage": "input"}), texts(tmp_path, *LINES), side, only, None, None, None, as_json=True)
    assert message in caught.value.message


def test_texts_of_the_project_are_found_by_name():
    assert guardtest.located("pii").name == "pii.jsonl"


def test_an_unknown_name_of_texts_is_told():
    with pytest.raises(UsageError, match="no file 'pi', and no texts of that name come with the project: did you mean 'pii'"):
        guardtest.located("pi")


def test_a_missing_file_is_told():
    with pytest.raises(UnreadableTexts, match="check the path"):
        guardtest.test(settings(WORDS), "no/such.jsonl", "input", [], None, None, None, as_json=True)
