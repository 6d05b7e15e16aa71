"""The plan beside the engine's log. The lines are vLLM's own, 0.32 on a CPU and 0.25's form on a GPU."""

from pathlib import Path

import pytest

from server.engine import argv, checkpoint
from server.engine.machine import Machine
from server.engine.planner import calibration
from server.settings import DEMO_MODEL, ROOT, Model, Speculative
from tests.server.engine.conftest import CPU

LINE = "(EngineCore pid=1) INFO 11-21 07:06:43 [kv_cache_utils.py:2327] "
DEMO = LINE + "CPU KV cache size: 524,288 tokens, Maximum concurrency for 2,048 tokens per request: 256.00x\n"
DRAFTED = LINE + "CPU KV cache size: 349,440 tokens, Maximum concurrency for 2,048 tokens per request: 170.62x\n"
ON_A_GPU = (
    "INFO [gpu_model_runner.py:5150] Model loading took 14.99 GiB memory and 2.100000 seconds\n"
    "INFO [gpu_worker.py:300] Available KV cache memory: 112.40 GiB\n"
    "INFO [kv_cache_utils.py:900] GPU KV cache size: 920,768 tokens\n"
    "INFO [kv_cache_utils.py:905] Maximum concurrency for 131,072 tokens per request: 7.02x\n"
)


def parts(**model: object) -> argv.Parts:
    made = Model(name="demo", path=DEMO_MODEL, **model)  # type: ignore[arg-type]
    draft = ROOT / "models/demo/draft" if made.speculative else None
    return argv.Parts(model=made, checkpoint=checkpoint.inspect(ROOT / DEMO_MODEL), socket=Path("e.sock"), draft=draft)


def written(folder: Path, text: str) -> Path:
    (folder / "engine.log").write_text(text)
    return folder / "engine.log"


def test_the_engines_figures_are_read_whether_on_one_line_or_several():
    assert calibration.logged(DEMO) == {"kv_tokens": 524_288, "max_model_len": 2048, "concurrency": 256.0}
    assert calibration.logged(ON_A_GPU) == {
        "kv_tokens": 920_768,
        "max_model_len": 131_072,
        "concurrency": 7.02,
        "weights": round(14.99 * 2**30),
        "kv_memory": round(112.4 * 2**30),
    }


@pytest.mark.parametrize(
    ("model", "log"),
    [
        ({}, DEMO),
        ({"speculative": Speculative(method="draft_model", model="models/demo/draft")}, DRAFTED),
        ({"kv_cache_memory": "64MiB"}, DEMO.replace("524,288", "32,768").replace("256.00", "16.00")),
        ({"engine_args": {"kv_cache_memory_bytes": 2**26}}, DEMO.replace("524,288", "32,768").replace("256.00", "16.00")),
    ],
    ids=["demo", "with its draft", "64 MiB", "64 MiB by the engine's flag"],
)
def test_the_plan_is_the_engines_own_figure_on_the_cpu(model: dict[str, object], log: str, tmp_path: Path):
    found = calibration.note(parts(**model), CPU, written(tmp_path, log), "0.32.0", tmp_path)
    assert found
    assert found["error"] == {"kv_tokens": 0.0}
    assert found["predicted"]["concurrency"] == pytest.approx(found["engine"]["concurrency"], abs=0.006)
    assert calibration.read(tmp_path) == [found]


def test_the_weights_are_those_of_the_headers():
    found = calibration.predicted(parts(), CPU)
    assert found
    assert found["weights"] == checkpoint.inspect(ROOT / DEMO_MODEL).weight_bytes


def test_on_a_gpu_weights_and_memory_are_compared_as_well(tmp_path: Path):
    machine = Machine("cuda", 16, 2**37, "0.33.0", ("vllm", "serve"), gpu_memory=143771 * 2**20)
    found = calibration.note(parts(), machine, written(tmp_path, ON_A_GPU), "", tmp_path)
    assert found
    assert set(found["error"]) == {"weights", "kv_memory", "kv_tokens"}
    assert found["vllm"] == "0.33.0"


def test_a_log_without_figures_leaves_nothing(tmp_path: Path):
    assert calibration.note(parts(), CPU, written(tmp_path, "starting\n"), "0.32.0", tmp_path) is None
    assert calibration.note(parts(), CPU, tmp_path / "none.log", "0.32.0", tmp_path) is None
    assert calibration.read(tmp_path) == []


def test_the_file_keeps_the_newest_starts_and_damage_is_passed_over(tmp_path: Path):
    file = tmp_path / calibration.FILE
    record = {"predicted": {}, "engine": {}, "error": {}}
    for i in range(calibration.KEPT + 5):
        calibration.keep(file, {**record, "i": i})
    assert len(file.read_text().splitlines()) == calibration.KEPT
    with file.open("a") as opened:
        opened.write('{"half\n[1]\n')
    assert [kept["i"] for kept in calibration.read(tmp_path)] == list(range(5, calibration.KEPT + 5))
