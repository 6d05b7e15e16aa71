"""The guards of each model, made once: from the configuration's list to what requests and answers pass through."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from server.guards import kinds
from server.guards.base import Detector, Judge, Side, Tools

if TYPE_CHECKING:
    from server.guardsettings import GuardBase
    from server.settings import Settings

SIDES: tuple[Side, Side] = ("input", "output")


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard on one side. One of `detector` and `judge` is set."""

    settings: GuardBase
    side: Side
    detector: Detector | None
    judge: Judge | None

    @property
    def name(self) -> str:
        return self.settings.label

    def is_for(self, model: str) -> bool:
        return not self.settings.models or model in self.settings.models


@dataclass(frozen=True, slots=True)
class Policy:
    """What is judged for one model, in the order of the configuration. `digest` changes with whatever could change a verdict."""

    input: Sequence[Guard]
    output: Sequence[Guard]
    digest: str


class Policies:
    """The policies of all models. Raises ConfigError."""

    def __init__(self, settings: Sequence[GuardBase], tools: Tools) -> None:
        self.guards: list[Guard] = []
        for section in settings:
            made: Detector | Judge | None = None
            for side in SIDES:
                if section.stage in (side, "both"):
                    if made is None or section.kind not in kinds.SIDELESS:
                        made = kinds.make(section, side, tools)
                    judged = kinds.is_judge(made)
                    self.guards.append(Guard(section, side, None if judged else made, made if judged else None))  # type: ignore[arg-type]
        self._by_model: dict[str, Policy | None] = {}

    def of(self, model: str) -> Policy | None:
        """The policy for a model, adapter or persona; None: nothing is judged."""
        if model not in self._by_model:
            mine = [guard for guard in self.guards if guard.is_for(model)]
            inputs, outputs = ([guard for guard in mine if guard.side == side] for side in SIDES)
            self._by_model[model] = Policy(inputs, outputs, digest([g.settings for g in mine])) if mine else None
        return self._by_model[model]

    async def open(self) -> None:
        """Load what judges need. Raises StartError."""
        for judge in self._judges():
            await judge.open()

    async def close(self) -> None:
        for judge in self._judges():
            await judge.close()

    def _judges(self) -> list[Judge]:
        return list({id(guard.judge): guard.judge for guard in self.guards if guard.judge is not None}.values())


def of_settings(settings: Settings, tools: Tools) -> Policies:
    """Raises ConfigError."""
    return Policies(settings.guards, tools)


def digest(settings: Sequence[GuardBase]) -> str:
    """Of the guards' configuration, of the files that it names, and of the code that judges.

    An answer was judged by all three: one that is kept from before any of them changed must not be served after.
    """
    found = hashlib.sha256(_code().encode())
    for section in settings:
        found.update(section.model_dump_json().encode())
        for key in ("words_file", "schema_file", "model", "folder", "template"):
            named = getattr(section, key, None)
            if isinstance(named, str) and "/" in named:
                found.update(_file(Path(named)).encode())
    return found.hexdigest()


def _file(path: Path) -> str:
    """What tells one state of a file or folder from another, without reading gigabytes."""
    try:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        return repr([(str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()])
    except OSError:
        return ""


_code_digest = ""


def _code() -> str:
    global _code_digest
    if not _code_digest:
        found = hashlib.sha256()
        folder = Path(__file__).parent
        for file in sorted(folder.rglob("*")):
            if file.suffix in (".py", ".yaml", ".txt", ".json") and file.is_file():
                found.update(str(file.relative_to(folder)).encode() + file.read_bytes())
        _code_digest = found.hexdigest()
    return _code_digest
