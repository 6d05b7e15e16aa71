from __future__ import annotations

import json
from pathlib import Path

import pytest

from quantize.calibration.files import read
from quantize.calibration.rows import Chat, Text
from quantize.errors import CalibrationError


def write(folder: Path, name: str, data: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return file


def wrong(file: Path) -> str:
    with pytest.raises(CalibrationError) as caught:
        read(file)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_json_lines_may_be_of_different_forms_and_have_blank_lines(tmp_path: Path):
    file = write(tmp_path, "c.jsonl", '\ufeff{"text": "a"}\r\n\n"b"\n{"prompt": "c", "answer": "d"}')
    assert [type(each) for each in read(file)] == [Text, Text, Chat]


def test_a_line_may_hold_other_line_separators_inside_a_text(tmp_path: Path):
    assert read(write(tmp_path, "c.jsonl", '{"text": "a\u2028b"}')) == [Text("a\u2028b")]


def test_a_json_list(tmp_path: Path):
    assert read(write(tmp_path, "c.json", json.dumps(["a", {"text": "b"}]))) == [Text("a"), Text("b")]


def test_plain_text_is_paragraphs(tmp_path: Path):
    file = write(tmp_path, "c.txt", "one\nstill one\r\n\r\n  \n\ntwo\n \nthree\n")
    assert read(file) == [Text("one\nstill one"), Text("two"), Text("three")]


def test_a_bad_line_is_named_by_its_number(tmp_path: Path):
    file = write(tmp_path, "c.jsonl", '{"text": "a"}\n\n{"text": b}\n')
    assert wrong(file) == f"{file}, line 3: not JSON (Expecting value, column 10)"


def test_a_line_that_is_no_sample_is_named_by_its_number(tmp_path: Path):
    file = write(tmp_path, "c.jsonl", '{"text": "a"}\n{"texts": "a"}\n')
    assert wrong(file).startswith(f"{file}, line 2: it has neither messages,")


def test_a_sample_of_a_list_is_named_by_its_place(tmp_path: Path):
    file = write(tmp_path, "c.json", '["a", 5]')
    assert wrong(file).startswith(f"{file}, sample 2: it is 5, and")


def test_a_line_in_another_encoding(tmp_path: Path):
    file = write(tmp_path, "c.jsonl", b'{"text": "a"}\n{"text": "' + "한글".encode("cp949") + b'"}\n')
    assert wrong(file) == f"{file}, line 2: not UTF-8 text: save it as UTF-8"


def test_a_text_in_another_encoding(tmp_path: Path):
    file = write(tmp_path, "c.txt", b"one\n\n" + "한글".encode("cp949"))
    assert wrong(file) == f"{file}, line 3: not UTF-8 text: save it as UTF-8"


@pytest.mark.parametrize(("name", "data"), [("c.jsonl", "\n \n"), ("c.txt", "\n\n"), ("c.json", "[]"), ("c.json", ""), ("c.jsonl", "")])
def test_an_empty_file(tmp_path: Path, name: str, data: str):
    file = write(tmp_path, name, data)
    assert wrong(file) == f"the calibration file {file} is empty: leave --calibration out for the bundled set"


def test_a_json_file_that_is_no_list(tmp_path: Path):
    assert "holds one list of samples; for one sample a line name it .jsonl" in wrong(write(tmp_path, "c.json", '{"text": "a"}'))


def test_a_json_file_broken_on_a_later_line(tmp_path: Path):
    file = write(tmp_path, "c.json", '["a",\n b]')
    assert wrong(file) == f"{file}: not JSON (Expecting value, line 2, column 2)"


def test_nesting_without_end(tmp_path: Path):
    assert "nested too deeply" in wrong(write(tmp_path, "c.jsonl", "[" * 100_000 + "\n"))


def test_another_kind_of_file(tmp_path: Path):
    assert "a calibration file is .jsonl, .json or .txt" in wrong(write(tmp_path, "c.csv", "a,b"))
