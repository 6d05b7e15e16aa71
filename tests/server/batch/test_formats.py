"""What `sllm batch` takes for input, told apart and read."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.batch.base import BadLine, Line
from server.batch.formats import FORMATS, open_input
from server.batch.request import Limits
from server.errors import InvalidRequest, SLLMError, UsageError

LIMITS = Limits(max_line=1000)
REQUEST = b'{"custom_id": "r", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "own", "messages": []}}'


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def asked(path: Path, **options: Any) -> list[tuple[int, str, Any]]:
    """(number, custom_id, the prompt) of each line; of a bad one its code."""
    found: list[tuple[int, str, Any]] = []
    for line in open_input(path, model="m", **options):
        if isinstance(line, BadLine):
            found.append((line.number, line.custom_id or "", line.code))
        else:
            messages = json.loads(line.body)["messages"]
            found.append((line.number, line.custom_id, messages[-1]["content"] if messages else None))
    return found


@pytest.mark.parametrize(
    ("name", "data", "format"),
    [
        ("in.jsonl", b"", "jsonl"),
        ("in.jsonl", b"hello", "jsonl"),
        ("in", REQUEST, "jsonl"),
        ("in.data", b' \n{"prompt": "a"}', "jsonl"),
        ("in.txt", b"hello", "text"),
        ("in.txt", REQUEST, "jsonl"),
        ("in.txt", b"{x} in braces", "text"),
        ("in", b"hello", "text"),
        ("in.CSV", b"prompt", "csv"),
        ("in.csv.gz", gzip.compress(b"prompt"), "csv"),
        ("in.tsv", b"prompt\tb", "csv"),
        ("in.JSONL.gz", gzip.compress(REQUEST), "jsonl"),
        ("in.gz", gzip.compress(REQUEST), "jsonl"),
    ],
)
def test_a_format_is_told_by_the_name_and_by_the_first_line(tmp_path: Path, name: str, data: bytes, format: str):
    assert open_input(write(tmp_path, name, data)).format == format


def test_a_format_that_is_named_goes_before_the_files_name(tmp_path: Path):
    assert asked(write(tmp_path, "in.jsonl", b'{"prompt": "a"}'), format="text") == [(1, "line-1", '{"prompt": "a"}')]


def test_unknown_names_are_refused_with_those_that_there_are(tmp_path: Path):
    path = write(tmp_path, "in.txt", b"a")
    with pytest.raises(UsageError, match="openai, jsonl, text, csv, parquet"):
        open_input(path, format="xml")
    with pytest.raises(UsageError, match="/v1/embeddings"):
        open_input(path, url="/v1/images")


def test_kinds_of_json_lines_may_be_mixed_each_with_its_own_number(tmp_path: Path):
    data = b"\n".join(
        [REQUEST, b'{"prompt": "a", "id": "x"}', b"", b'{"messages": [{"role": "user", "content": "b"}]}', b"no", b'{"text": "c"}']
    )
    assert asked(write(tmp_path, "in.jsonl", data)) == [
        (1, "r", None),
        (2, "x", "a"),
        (4, "line-4", "b"),
        (5, "", "invalid_json_line"),
        (6, "line-6", "missing_required_parameter"),
    ]


def test_a_request_with_a_fault_is_judged_as_a_request(tmp_path: Path):
    data = b"\n".join([REQUEST.replace(b"POST", b"GET"), b'{"custom_id": "1", "url": "/v1/responses"}', b'{"body": {"model": "m"}}'])
    assert [code for _, _, code in asked(write(tmp_path, "in.jsonl", data))] == [
        "invalid_method",
        "missing_required_parameter",
        "missing_required_parameter",
    ]


def test_a_model_is_filled_in_where_a_request_names_none(tmp_path: Path):
    path = write(tmp_path, "in.jsonl", REQUEST + b"\n" + REQUEST.replace(b'"model": "own", ', b""))
    assert [line.model for line in open_input(path, model="m") if isinstance(line, Line)] == ["own", "m"]


def test_openai_format_takes_nothing_else(tmp_path: Path):
    assert asked(write(tmp_path, "in.jsonl", b'{"prompt": "a"}'), format="openai") == [(1, "", "missing_required_parameter")]


@pytest.mark.parametrize("options", [{"system": "s"}, {"system": "s", "format": "openai"}, {"prompt": "{a}", "format": "openai"}])
def test_flags_that_shape_prompts_are_refused_for_requests(tmp_path: Path, options: dict[str, str]):
    with pytest.raises(UsageError, match="OpenAI batch lines"):
        open_input(write(tmp_path, "in.jsonl", REQUEST), **options)


def test_each_line_of_a_text_is_asked(tmp_path: Path):
    path = write(tmp_path, "in.txt", b"\xef\xbb\xbfone\r\n\r\n  two {x}\n\xff\n")
    assert asked(path) == [(1, "line-1", "one"), (3, "line-3", "  two {x}"), (4, "", "invalid_utf8")]
    assert asked(path, prompt="Say: {text}")[0] == (1, "line-1", "Say: one")


def test_a_template_over_a_text_knows_one_column(tmp_path: Path):
    with pytest.raises(UsageError, match='the columns are "text"'):
        open_input(write(tmp_path, "in.txt", b"a"), prompt="{line}")


def test_a_template_over_json_lines_takes_any_key(tmp_path: Path):
    path = write(tmp_path, "in.jsonl", b'{"q": "a", "id": 1}\n{"q": null}\n{"x": 1}\n[]')
    assert asked(path, prompt="Q: {q}") == [
        (1, "1", "Q: a"),
        (2, "line-2", "missing_value"),
        (3, "line-3", "missing_value"),
        (4, "", "invalid_json_line"),
    ]


def test_rows_of_a_csv_are_asked_by_the_template_with_their_ids(tmp_path: Path):
    path = write(tmp_path, "in.csv", 'id,text,lang\n7,"안녕\n세상",ko\n,x,en\n8\n9,a,b,c\n'.encode())
    assert asked(path, prompt="{lang}: {text}") == [
        (2, "7", "ko: 안녕\n세상"),
        (4, "line-4", "en: x"),
        (5, "8", "missing_value"),
        (6, "", "invalid_row"),
    ]


def test_a_csv_without_a_template_asks_its_prompt_or_its_only_column(tmp_path: Path):
    assert asked(write(tmp_path, "a.csv", b"x,prompt\n1,a\n")) == [(2, "line-2", "a")]
    assert asked(write(tmp_path, "b.csv", b"custom_id,what {is}\nk,a\n")) == [(2, "k", "a")]
    with pytest.raises(UsageError, match=r'--prompt "\{q\}": the columns are "id", "q", "a"'):
        open_input(write(tmp_path, "c.csv", b"id,q,a\n1,2,3\n"))


def test_a_tsv_with_one_column_keeps_its_commas(tmp_path: Path):
    assert asked(write(tmp_path, "a.tsv", b"a,b\nx, y\n")) == [(2, "line-2", "x, y")]


def test_an_unknown_column_is_refused_before_anything_is_read(tmp_path: Path):
    with pytest.raises(UsageError, match='the columns are "text"'):
        open_input(write(tmp_path, "in.csv", b"text\na\n"), prompt="{txt}")


def test_parquet_is_asked_by_its_messages_its_prompt_or_the_template(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "in.parquet"
    conversation = [{"role": "user", "content": "hi"}]
    parquet.write_table(pyarrow.table({"id": [1, 2], "prompt": ["a", None], "n": [1.5, 2.0]}), path)
    assert asked(path) == [(1, "1", "a"), (2, "2", "missing_value")]
    assert asked(path, prompt="{n}") == [(1, "1", "1.5"), (2, "2", "2.0")]
    assert open_input(path.rename(tmp_path / "x")).format == "parquet"
    parquet.write_table(pyarrow.table({"messages": [conversation, None]}), path)
    assert asked(path) == [(1, "line-1", "hi"), (2, "line-2", "invalid_type")]


def test_a_gzip_file_that_is_cut_off_is_an_error_in_words(tmp_path: Path):
    whole = gzip.compress(b"\n".join(b'{"prompt": "%d"}' % number for number in range(2000)), mtime=0)
    for name in ("in.jsonl.gz", "in.txt.gz"):
        with pytest.raises(UsageError, match="cannot be read"):
            list(open_input(write(tmp_path, name, whole[: len(whole) // 2]), model="m"))
    with pytest.raises(UsageError, match="cannot be read"):
        open_input(write(tmp_path, "in.csv.gz", b"\x1f\x8b and no more"))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("in.jsonl", REQUEST + b'\n\n{"prompt": "b"}\nx'),
        ("in.csv", b'id,prompt\n1,"a\nb"\n\n2,c\n3,"x'),
        ("in.txt", b"a\n\nb"),
        ("in.txt.gz", gzip.compress(b"a\n\nb")),
    ],
)
def test_an_input_read_again_gives_the_same_lines(tmp_path: Path, name: str, data: bytes):
    found = open_input(write(tmp_path, name, data), model="m")
    assert list(found) == list(found)
    assert len(list(found)) > 1


def test_a_check_counts_names_and_digests(tmp_path: Path):
    path = write(tmp_path, "in.csv", b"id,prompt\na,x\nb,y\na,z\nc,\n")
    found = open_input(path, model="m").check()
    assert found.total == 4
    assert [(error.number, error.code) for error in found.errors] == [(4, "duplicate_custom_id"), (5, "missing_value")]
    assert found.errors[0].message == 'Line 4: custom_id "a" is that of line 2 too: give each line its own.'
    assert found.endpoints == {"/v1/chat/completions": 2 + 1}
    assert found.digest == hashlib.sha256(path.read_bytes()).digest()


def test_a_check_asks_whether_models_are_served(tmp_path: Path):
    found = open_input(write(tmp_path, "in.txt", b"a\nb"), model="m").check(known=lambda model, url: False)
    assert [error.code for error in found.errors] == ["model_not_found"] * 2


def test_a_check_tells_progress_up_to_the_files_size(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    table = tmp_path / "in.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table({"prompt": ["text"] * 5000}), table)
    for path in (write(tmp_path, "in.txt.gz", gzip.compress(b"text\n" * 5000)), write(tmp_path, "in.csv", b"text\n" * 5001), table):
        told: list[int] = []
        found = open_input(path, model="m").check(progress=told.append)
        assert len(told) == 4
        assert 0 < told[0] <= told[-1] <= found.size
        assert found.digest == hashlib.sha256(path.read_bytes()).digest()


def test_a_file_that_changes_during_its_check_is_refused(tmp_path: Path):
    path = write(tmp_path, "in.txt", b"a")

    def known(model: str, url: str) -> bool:
        path.write_bytes(b"other")
        return True

    with pytest.raises(InvalidRequest, match="was changed"):
        open_input(path, model="m").check(known=known)


@pytest.mark.parametrize(("name", "data"), [("in.csv", b"prompt\n"), ("in.txt", b"\n"), ("in.jsonl", b"")])
def test_an_input_without_any_line_is_refused(tmp_path: Path, name: str, data: bytes):
    with pytest.raises(InvalidRequest) as error:
        open_input(write(tmp_path, name, data)).check()
    assert error.value.code == "empty_file"


def test_an_identity_changes_with_what_shapes_the_requests_and_not_with_the_path(tmp_path: Path):
    path, copy = write(tmp_path, "in.txt", b"a"), write(tmp_path, "copy.txt", b"a")
    variants: list[dict[str, Any]] = [
        {},
        {"model": "m"},
        {"system": "s"},
        {"prompt": "{text}"},
        {"url": "/v1/completions"},
        {"defaults": {"max_tokens": 1}},
        {"format": "csv"},
    ]
    assert len({open_input(path, **options).identity() for options in variants}) == len(variants)
    assert open_input(path, model="m").identity() == open_input(copy, model="m").identity()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(
    st.sampled_from(FORMATS),
    st.binary() | st.lists(st.sampled_from([REQUEST, b'{"prompt":"a"}', b"a,b", b'"', b"\n", b"\xff", b"PAR1"])).map(b"".join),
)
def test_any_bytes_in_any_format_give_lines_or_an_error_in_words(tmp_path: Path, format: str, data: bytes):
    path = write(tmp_path, "in", data)
    try:
        lines = list(open_input(path, model="m", format=format, limits=LIMITS))
    except SLLMError:
        return
    assert lines == list(open_input(path, model="m", format=format, limits=LIMITS))
