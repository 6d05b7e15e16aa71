"""Every error that a user can cause, in one tree.

    SLLMError
    ├── UsageError                exit 2: a flag, an argument
    │   └── ConfigError           the configuration file or an SLLM_* variable
    ├── StartError                exit 1: something is missing before or while we start
    │   ├── ModelNotFound         no such folder, unknown hub id
    │   ├── ModelGated            the hub wants a token or an accepted licence
    │   ├── PortTaken
    │   ├── DiskFull
    │   └── EngineFailed          vLLM ended by itself; the cause in words
    └── RequestError              HTTP: the OpenAI error body
        ├── InvalidRequest        400
        ├── ContentFiltered       400: a guard does not let it through
        ├── NotAllowed            403
        ├── UnknownModel          404
        ├── UnknownRoute          404
        ├── UnknownObject         404: a file or a batch
        ├── MethodNotAllowed      405
        ├── RequestTimeout        408
        ├── NotPossibleNow        409: of a batch that has ended
        ├── BodyTooLarge          413
        ├── HeadersTooLarge       431
        ├── InternalError         500: a fault of the gateway itself
        ├── GuardError            500: a guard failed that lets nothing through then
        ├── UpstreamError         502: the engine broke off or sent what is not HTTP
        ├── EngineUnavailable     503 with Retry-After: loading, restarting, draining
        ├── UpstreamTimeout       504
        ├── StorageFull           507: no room for an upload
        └── NotInCache            504: `Cache-Control: only-if-cached`, and there is no answer (RFC 9111, 5.2.1.7)

A message says what was wrong, where, and what to type next.
"""

from __future__ import annotations

import json


class SLLMError(Exception):
    """Base of every error that is shown to a user as one sentence, never as a stack trace."""

    exit_code = 1

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


class UsageError(SLLMError):
    exit_code = 2


class ConfigError(UsageError):
    pass


class StartError(SLLMError):
    pass


class ModelNotFound(StartError):
    pass


class ModelGated(StartError):
    pass


class PortTaken(StartError):
    pass


class DiskFull(StartError):
    pass


class EngineFailed(StartError):
    pass


class RequestError(SLLMError):
    """An error answered over HTTP.

    `type`, `param` and `code` are the fields of OpenAI's error object; `headers` go with the answer.
    """

    status = 400
    type = "invalid_request_error"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(message)
        self.param = param
        self.code = code if code is not None else type(self).code
        self.headers = headers or {}

    def body(self) -> bytes:
        """The OpenAI error object as JSON, UTF-8."""
        return error_body(self.message, self.type, self.param, self.code)


class InvalidRequest(RequestError):
    pass


class ContentFiltered(RequestError):
    code = "content_filter"


class NotAllowed(RequestError):
    status = 403
    type = "permission_error"
    code = "not_allowed"


class UnknownModel(RequestError):
    status = 404
    code = "model_not_found"


class UnknownRoute(RequestError):
    status = 404
    code = "unknown_url"


class UnknownObject(RequestError):
    status = 404


class MethodNotAllowed(RequestError):
    status = 405
    code = "method_not_allowed"


class RequestTimeout(RequestError):
    status = 408
    code = "request_timeout"


class NotPossibleNow(RequestError):
    status = 409


class BodyTooLarge(RequestError):
    status = 413
    code = "body_too_large"


class HeadersTooLarge(RequestError):
    status = 431
    code = "headers_too_large"


class InternalError(RequestError):
    status = 500
    type = "server_error"
    code = "internal_error"


class GuardError(RequestError):
    status = 500
    type = "server_error"
    code = "guard_failed"


class UpstreamError(RequestError):
    status = 502
    type = "server_error"
    code = "upstream_error"


class EngineUnavailable(RequestError):
    status = 503
    type = "server_error"
    code = "engine_unavailable"

    def __init__(self, message: str, *, retry_after: int = 5, code: str | None = None):
        super().__init__(message, code=code, headers={"retry-after": str(retry_after)})


class UpstreamTimeout(RequestError):
    status = 504
    type = "server_error"
    code = "upstream_timeout"


class StorageFull(RequestError):
    status = 507
    type = "server_error"
    code = "disk_full"

    def __init__(self, message: str):
        super().__init__(message, headers={"x-should-retry": "false"})


class NotInCache(RequestError):
    status = 504
    type = "server_error"
    code = "not_in_cache"

    def __init__(self, message: str):
        super().__init__(message, headers={"x-should-retry": "false"})  # the `openai` package would ask three times


def error_body(message: str, type: str, param: str | None = None, code: str | None = None) -> bytes:
    """OpenAI's error object (https://platform.openai.com/docs/guides/error-codes) as UTF-8 JSON."""
    error = {"message": message, "type": type, "param": param, "code": code}
    return json.dumps({"error": error}, ensure_ascii=False).encode()
