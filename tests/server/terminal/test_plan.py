import json
from pathlib import Path

import pytest

import sllm
from server.engine.planner import calibration, memory
from server.engine.planner.memory import GIB
from server.engine.planner.plan import plan
from server.errors import UsageError
from server.settings import DEMO_MODEL, Model
from server.terminal import plan as terminal
from tests.server.engine.planner.models import LLAMA31_8B, config, write


def text(model: Model, card: memory.Device) -> str:
    return "\n".join(terminal.lines(plan(model, card, typed=model.name)))


def test_a_row_for_each_format_and_the_command_last():
    shown = text(Model(name="demo", path=DEMO_MODEL), memory.cuda(24 * GIB))
    for format in ("bf16", "fp8", "bnb int8", "gptq 4-bit", "awq 4-bit", "bnb nf4"):
        assert f"\n{format}  " in shown
    assert "\n  sllm serve demo\n" in shown


def test_what_does_not_fit_says_why_and_what_would(tmp_path: Path):
    shown = text(Model(name="llama", path=str(write(tmp_path / "llama", LLAMA31_8B))), memory.cuda(16 * GIB))
    assert "As it is, it does not fit: weights and reserve need 1." in shown
    assert "What would fit:\n  weights in awq 4-bit and the KV cache in fp8\n      sllm quantize llama --method awq\n" in shown


def test_a_hybrid_says_that_its_cache_is_not_planned(tmp_path: Path):
    made = config(2, 4, 2, 64, 256, layer_types=["mamba", "attention"])
    assert "Note: the KV cache is not planned: it has" in text(
        Model(name="h", path=str(write(tmp_path / "h", made))), memory.cuda(24 * GIB)
    )


def test_for_programs_it_is_one_object(capfd: pytest.CaptureFixture[str]):
    assert sllm.main(["plan", DEMO_MODEL, "--gpu", "h200", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["device"]["batched_tokens"], found["device"]["sequences"], found["device"]["share"]) == (8192, 1024, 0.92)
    assert found["formats"][0]["weights"] == found["checkpoint"]["bytes"] == 5_771_776
    assert found["commands"] == [f"sllm serve {DEMO_MODEL}"]


def test_nothing_that_fits_is_a_failure(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    folder = write(tmp_path / "llama", LLAMA31_8B)
    assert sllm.main(["plan", str(folder), "--vram", "4GiB"]) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--gpu", "h2000"], "no GPU called 'h2000'"),
        (["--vram", "much"], "--vram: 'much' is not a size"),
        (["--vram", "24"], "write it with its unit, such as 24GiB"),
        (["--vram", "24GiB", "--gpu", "l4"], "give one of them"),
        (["--max-model-len", "0"], "max-model-len"),
    ],
)
def test_wrong_flags_are_wrong_usage(words: list[str], message: str, capfd: pytest.CaptureFixture[str]):
    assert sllm.main(["plan", DEMO_MODEL, *words]) == 2
    assert message in capfd.readouterr().err


def test_a_model_of_a_configuration_is_served_with_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    file = tmp_path / "s.yaml"
    file.write_text(f"models: [{{name: chat, path: {write(tmp_path / 'llama', LLAMA31_8B)}}}]")
    sllm.main(["plan", "chat", "--config", str(file), "--vram", "24GiB", "--max-model-len", "4096", "--json"])
    sllm.main(["plan", "chat", "--config", str(file), "--vram", "16GiB", "--max-model-len", "4096", "--json"])
    fits, not_all = (json.loads(line) for line in capfd.readouterr().out.splitlines())
    assert fits["commands"] == [f"sllm serve chat --config {file} -- --max-model-len 4096"]
    awq = next(way for way in not_all["would_fit"] if way["what"] == "weights in awq 4-bit")
    assert awq["commands"] == [f"sllm quantize chat --config {file} --method awq", "sllm serve ./chat-awq -- --max-model-len 4096"]


def test_sizes_of_cards():
    card = terminal.card("24GiB", None)
    assert card
    assert card.memory == 24 * GIB
    assert terminal.card(None, None) is None
    with pytest.raises(UsageError):
        terminal.card("1KiB", None)


def test_calibration_shows_each_start_and_the_worst(tmp_path: Path):
    kept = {"date": "2026-11-21T07:06:43+00:00", "model": "demo", "machine": "cpu", "vllm": "0.32.0"}
    kept |= {"predicted": {"kv_tokens": 99}, "engine": {"kv_tokens": 100}, "error": {"kv_tokens": -0.01}}
    calibration.keep(tmp_path / calibration.FILE, kept)
    shown = terminal.calibration_lines(calibration.read(tmp_path))
    assert shown[1].split() == ["2026-11-21", "07:06", "demo", "cpu", "0.32.0", "99", "100", "-1.00%", "-"]
    assert shown[-1].startswith("1 compared, KV tokens off by at most 1.0%")


def test_calibration_before_the_first_start_says_what_to_do(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    assert sllm.main(["plan", "--calibration", "--data-dir", str(tmp_path)]) == 0
    assert "run `sllm serve`" in capfd.readouterr().out
