import json

import pytest

from server.errors import ConfigError
from server.guards.base import Context, Piece, Tools
from server.guards.kinds.json_schema import LONGEST, make
from server.guardsettings import JsonSchema

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


def judge_of(schema):
    return make(JsonSchema(kind="json_schema", schema=schema), "output", Tools())


async def said(text, schema=PERSON):
    return await judge_of(schema).judge([Piece(text, "choices[0].message.content", "assistant")], Context("output"))


async def test_an_answer_that_fits_passes():
    assert not (await said('{"name": "김철수", "age": 3, "tags": ["a"]}')).flagged


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "x"}', 'at $: the required property ["age"] must be there'),
        ('{"name": "x", "age": "3"}', 'at $.age: the type must be "integer"'),
        ('{"name": "x", "age": -1}', "at $.age: it must keep to minimum 0"),
        ('{"name": "x", "age": 1, "tags": ["a", "c"]}', 'at $.tags[1]: it must be one of ["a", "b"]'),
        ('{"name": "x", "age": 1, "secret": 1}', 'at $: no other properties than ["name", "age", "tags"] are allowed'),
        ("", "the answer is empty; it must be JSON"),
        ("not json", "the answer is no JSON: Expecting value, at character 0"),
        ('{"name": "x", "age": 1} and so on', "the answer goes on after the JSON, at character 24; it must be the JSON alone"),
        ('```json\n{"name": "x", "age": 1}\n```', "the answer is in a code fence; it must be the JSON alone"),
        ('{"name": "x", "age": NaN}', "the answer is no JSON: NaN is no JSON number"),
        ('{"name": "x", "age": ' + "1" * 5000 + "}", "the answer is no JSON: a number is too large"),
        ("[" * 100_000, "nested too deep"),
    ],
)
async def test_what_is_wrong_is_said_in_the_schemas_words(text, why):
    judgement = await said(text)
    assert judgement.flagged
    assert why in judgement.why
    assert judgement.place == "choices[0].message.content"


async def test_the_reason_holds_nothing_of_the_answer():
    schema = {"type": "object", "additionalProperties": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    judgement = await said('{"geheim": {"n": "vertraulich"}}', schema)
    assert judgement.why == 'at $.*.n: the type must be "integer"'


async def test_a_pattern_that_would_explode_takes_linear_time():
    # the standard library's engine would need hours
    judge = judge_of(
        {"type": "object", "patternProperties": {"^(a+)+$": {"type": "string", "pattern": "^(b+)+$"}}, "additionalProperties": False}
    )
    assert judge.wrong(json.dumps({"a" * 50: "b" * 50 + "!"})) is not None
    assert judge.wrong(json.dumps({"a" * 50 + "!": "b"})) is not None
    assert judge.wrong(json.dumps({"a" * 50: "b" * 50})) is None


async def test_an_enormous_answer_is_refused():
    assert "longer than" in (await said('"' + "x" * LONGEST + '"')).why


async def test_a_long_answer_is_read():
    schema = {"type": "array", "items": {"type": "integer"}}
    assert not (await said(json.dumps(list(range(20_000))), schema)).flagged
    assert (await said(json.dumps([*range(20_000), "x"]), schema)).why == 'at $[20000]: the type must be "integer"'


async def test_references_inside_the_schema_are_followed():
    schema = {"$defs": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/$defs/n"}}
    assert not (await said("[1]", schema)).flagged
    assert (await said('["x"]', schema)).flagged


async def test_a_schema_that_refers_to_itself_is_no_trap():
    schema = {"type": "object", "properties": {"child": {"$ref": "#"}}, "additionalProperties": False}
    assert not (await said('{"child": {"child": {}}}', schema)).flagged
    assert (await said('{"child": {"kid": {}}}', schema)).flagged


async def test_false_allows_nothing():
    assert "nothing is allowed here" in (await said('{"a": 1}', {"properties": {"a": False}})).why


@pytest.mark.parametrize("reference", ["https://example.com/schema.json", "#/$defs/nothing", "file:///etc/passwd", "other.json"])
def test_references_that_lead_nowhere_inside_are_refused(reference):
    with pytest.raises(ConfigError, match="points to nothing inside it"):
        judge_of({"type": "array", "items": {"$ref": reference}})


def test_a_property_that_is_called_ref_is_no_reference():
    judge_of({"properties": {"$ref": {"type": "string"}}})


@pytest.mark.parametrize("schema", [{"type": "strin"}, {"properties": 5}, {"required": "name"}])
def test_what_is_no_schema_is_refused(schema):
    with pytest.raises(ConfigError, match="the schema is none"):
        judge_of(schema)


@pytest.mark.parametrize("schema", [{"pattern": "(?=a)b"}, {"patternProperties": {r"(a)\1": {}}}])
def test_a_pattern_that_has_no_linear_time_is_refused(schema):
    with pytest.raises(ConfigError, match="cannot run in linear time"):
        judge_of(schema)


def test_a_schema_file_is_read(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(PERSON))
    judge = make(JsonSchema(kind="json_schema", schema_file=str(tmp_path / "s.json")), "output", Tools())
    assert judge.wrong('{"name": "x", "age": 1}') is None


def test_a_schema_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        make(JsonSchema(kind="json_schema", schema_file=str(tmp_path / "s.json")), "output", Tools())
    (tmp_path / "s.json").write_text("{")
    with pytest.raises(ConfigError, match="is no JSON"):
        make(JsonSchema(kind="json_schema", schema_file=str(tmp_path / "s.json")), "output", Tools())


@pytest.mark.parametrize("dialect", ["http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema#"])
async def test_older_dialects_are_read(dialect):
    schema = {"$schema": dialect, "definitions": {"n": {"type": "integer"}}, "items": {"$ref": "#/definitions/n"}}
    assert (await said('["x"]', schema)).flagged
