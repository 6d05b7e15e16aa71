"""The error tree and OpenAI's error body."""

import inspect
import json

import pytest

from server import errors
from server.errors import ConfigError, EngineUnavailable, InvalidRequest, ModelNotFound, RequestError, SLLMError, UnknownModel, UsageError

ALL = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, SLLMError)]


@pytest.mark.parametrize("kind", ALL, ids=lambda c: c.__name__)
def test_every_error_is_drawn_in_the_tree(kind: type[SLLMError]):
    assert kind.__name__ in (errors.__doc__ or "")


def test_wrong_usage_exits_with_2_and_everything_else_with_1():
    assert {UsageError("x").exit_code, ConfigError("x").exit_code} == {2}
    assert {ModelNotFound("x").exit_code, InvalidRequest("x").exit_code} == {1}


@pytest.mark.parametrize("kind", [c for c in ALL if issubclass(c, RequestError)], ids=lambda c: c.__name__)
def test_every_request_error_has_a_status_and_the_four_fields_of_openai(kind: type[RequestError]):
    error = kind("what was wrong")
    assert 400 <= error.status <= 507
    assert json.loads(error.body())["error"].keys() == {"message", "type", "param", "code"}


def test_the_fault_of_the_server_is_not_called_an_invalid_request():
    for kind in ALL:
        if issubclass(kind, RequestError):
            assert (kind.status >= 500) == (kind.type == "server_error")


def test_a_body_names_the_parameter_and_keeps_hangul_readable():
    body = UnknownModel("모델이 없습니다", param="model").body()
    assert "모델이 없습니다".encode() in body
    assert json.loads(body)["error"] == {
        "message": "모델이 없습니다",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }


def test_a_code_can_be_said_for_one_error_without_changing_its_class():
    assert InvalidRequest("x", code="content_filter").code == "content_filter"
    assert InvalidRequest("x").code is None


def test_an_unavailable_engine_says_when_to_try_again():
    assert EngineUnavailable("loading", retry_after=7).headers == {"retry-after": "7"}
