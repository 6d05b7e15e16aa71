"""`sllm batch --check`: everything that can be said of an input before it runs."""

from __future__ import annotations

from typing import Any

from server.offline.command import examine, opened
from server.offline.options import Options
from server.offline.progress import Progress
from server.offline.target import find
from server.settings import Settings
from server.terminal.output import print_json

NAMED = 100  # wrong lines that are listed


def run_check(settings: Settings, options: Options) -> int:
    """Print what the input holds and what is wrong with it; 1 where a line cannot be run."""
    target = find(settings, options)
    source = opened(settings, options, target)
    with Progress(source.path.stat().st_size, checking=True) as progress:
        checked, wrong = examine(source, target, NAMED, progress)
    good = checked.total - checked.errors_total
    if options.as_json:
        errors = [{"line": e.number, "custom_id": e.custom_id, "code": e.code, "message": e.message} for e in checked.errors]
        said: dict[str, Any] = {
            "ok": not checked.errors_total,
            "file": str(source.path),
            "format": source.format,
            "bytes": checked.size,
            "lines": checked.total,
            "bad": checked.errors_total,
            "duplicates": checked.duplicates,
            "endpoints": checked.endpoints,
            "models": checked.models,
            "errors": errors,
        }
        print_json(said)
        return 1 if checked.errors_total else 0
    for line in wrong:
        print(line)
    if checked.errors_total > len(checked.errors):
        print(f"... and more: {checked.errors_total:,} lines cannot be run")
    print(f"{source.path} ({source.format}): {good:,} of {checked.total:,} lines can be run")
    for kind, counted in (("endpoint", checked.endpoints), ("model", checked.models)):
        for name, count in sorted(counted.items(), key=lambda item: -item[1])[:20]:
            print(f"  {kind:<8}  {name}  {count:,}")
    return 1 if checked.errors_total else 0
