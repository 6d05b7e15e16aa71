"""Calibration sets from the hub, or from a folder of data files, through `datasets`: org/name, org/name:split, org/name:split:column."""

from __future__ import annotations

import os
import re
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from quantize.calibration.rows import Row, row
from quantize.errors import CalibrationError, MissingLibrary

ID = re.compile(r"[\w.-]+/[\w.-]+")
INSTEAD = "give a file (--calibration FILE.jsonl), or leave --calibration out for the bundled set"


def is_id(name: str) -> bool:
    """Whether `name`, without split and column, reads like org/name."""
    return ID.fullmatch(name.split(":")[0]) is not None


def read(wanted: str, rows: int) -> list[Row]:
    """The first `rows` samples of the data set; they are streamed, so that a large one is not downloaded whole.

    Raises CalibrationError for no network, an unknown id, split or column, and rows that are no samples; MissingLibrary.
    """
    try:
        datasets = import_module("datasets")
    except ImportError:
        raise MissingLibrary("a data set of the hub needs `datasets`, which is not installed: run `make install-quantize`") from None
    name, _, rest = wanted.partition(":")
    split, _, column = rest.partition(":")
    try:
        streamed = datasets.load_dataset(name, split=split or "train", streaming=True)
        found = list(islice(streamed, rows))
    except Exception as error:  # of many libraries, by where the data lie
        raise CalibrationError(sentence(name, split or "train", error)) from None
    if not found:
        raise CalibrationError(f"the data set {name} has no rows in its split {split or 'train'}: {INSTEAD}")
    if column and column not in found[0]:
        raise CalibrationError(f"the data set {name} has no column '{column}': its columns are {', '.join(found[0])}")
    return [_row(f"the data set {name}, row {number}", each, column) for number, each in enumerate(found, start=1)]


def _row(where: str, value: dict[str, Any], column: str) -> Row:
    try:
        return row(value[column] if column else {key: each for key, each in value.items() if each is not None})
    except ValueError as error:
        hint = "" if column else "; name the column with the texts, as in org/name:split:column"
        raise CalibrationError(f"{where}: {error}{hint}") from None


def sentence(name: str, split: str, error: Exception) -> str:
    """What went wrong, by the error's own words: datasets wraps the errors of several libraries."""
    kind, text = type(error).__name__, str(error)
    first = text.splitlines()[0] if text else kind
    if kind == "ValueError" and re.search(r"(?i)(unknown|bad) split", text):
        return f"the data set {name} has no split '{split}': {first}; write it as {name}:SPLIT"
    if kind == "ValueError" and "Config name is missing" in text:
        return f"the data set {name} has several parts, of which none can be named here: save one as JSON lines, and {INSTEAD}"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return f"the data set {name} cannot be reached: HF_HUB_OFFLINE is set; {INSTEAD}"
    if kind in ("DatasetNotFoundError", "RepositoryNotFoundError", "GatedRepoError", "FileNotFoundError") and not _no_network(error):
        return f"there is no data set {name} on the hub that this machine may read ({first}): check the id, log in, or {INSTEAD}"
    if _no_network(error):
        return f"the data set {name} cannot be reached, since there is no network: {INSTEAD}"
    return f"the data set {name} cannot be read ({kind}: {first}): {INSTEAD}"


def _no_network(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ConnectionError) or re.search(r"Connect|Timeout|ProxyError|LocalEntryNotFound|Offline", type(error).__name__):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_folder(wanted: str) -> bool:
    return Path(wanted.split(":")[0]).is_dir()
