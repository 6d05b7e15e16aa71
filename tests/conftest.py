"""For all tests: signals as a terminal gives them, and what runs beside what where several processes share the work."""

from __future__ import annotations

import os
import signal
import tempfile
from typing import Any

import pytest

# A shell that starts the tests in the background has them ignore Ctrl-C, and every process that they start inherits it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# matplotlib keeps its list of fonts in the home folder, unless it is told another; every process of the tests shares this one.
os.environ.setdefault("MPLCONFIGDIR", os.path.join(tempfile.gettempdir(), f"sllm-tests-matplotlib-{os.getuid()}"))

# Where several processes share the cores, threads of one that wait for each other by spinning take them from the others, and
# an example may have to wait for its turn.
if (processes := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    from hypothesis import settings

    settings.register_profile("shared", deadline=2000)  # ms; hypothesis's own is 200
    settings.load_profile("shared")

# `make test JOBS=2` runs two processes. Each takes the next group as soon as it has done one, in this order: what takes long comes
# first, and what shares an engine or a model that is costly to make is one group. Every other file is a group of its own.
GROUPS = {
    "tests/e2e/test_quantize.py::test_every_method": "all methods",
    "tests/e2e/test_docs.py": "stack",
    "tests/e2e/test_engine_serves.py": "stack",
    "tests/e2e/test_guards.py": "stack",
    "tests/e2e/test_openai_chat.py": "stack",
    "tests/e2e/test_openai_routes.py": "stack",
    "tests/quantize/methods/": "methods",
    "tests/e2e/": "",  # each file by itself
    "tests/server/cache/semantic/": "embedding model",
    "tests/server/gateway/test_semantic.py": "embedding model",
    "tests/models/": "demo model",
    "tests/server/guards/": "",
}


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups after this
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):
        return
    ranks: dict[str, int] = {}
    order = {}
    for item in items:
        rank = next((rank for rank, start in enumerate(GROUPS) if item.nodeid.startswith(start)), len(GROUPS))
        group = [*GROUPS.values(), ""][rank] or item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
        order[item] = ranks.setdefault(group, rank)
    items.sort(key=order.__getitem__)


def pytest_make_parametrize_id(val: Any, argname: str) -> str | None:
    """Bytes are named by their argument: what gzip makes holds the time, and every process must give a test the same name."""
    return argname if isinstance(val, bytes) and not val.isascii() else None
