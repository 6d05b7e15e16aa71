from pathlib import Path

import pytest

from quantize.evaluation import enginelog

LOGS = Path(__file__).parent / "logs"
# As vLLM 0.32 writes them on a GPU: v1/worker/gpu_model_runner.py, model_executor/model_loader/default_loader.py
WEIGHTS = "(EngineCore pid=7) INFO 11-21 02:40:00 [default_loader.py:501] Loading weights took %.2f seconds\n"
MODEL = "(Worker_TP%d pid=7) INFO 11-21 02:40:01 [gpu_model_runner.py:5149] Model loading took %s GiB memory and %.6f seconds\n"
ENGINE = (
    "(EngineCore pid=7) INFO 11-21 02:39:58 [core.py:133] Initializing a V1 LLM engine (v0.33.0) with config: device_config=cuda, seed=0\n"
)


def test_an_engine_without_a_gpu():
    said = enginelog.read((LOGS / "cpu-0.32.log").read_text())
    assert said == enginelog.EngineLog(version="0.32.0", device="cpu", memory=None, load_seconds=0.03)


def test_an_engine_that_does_not_say_how_long_it_loaded():
    said = enginelog.read((LOGS / "cpu-0.32-bitsandbytes.log").read_text())
    assert (said.version, said.load_seconds, said.memory) == ("0.32.0", None, None)


def test_a_gpu_says_what_the_weights_take():
    said = enginelog.read(ENGINE + WEIGHTS % 8.05 + MODEL % (0, "14.99", 8.9))
    assert (said.version, said.device) == ("0.33.0", "cuda")
    assert said.memory == round(14.99 * 2**30)
    assert said.load_seconds == 8.05


def test_memory_is_summed_over_the_workers_of_several_gpus():
    said = enginelog.read(ENGINE + MODEL % (0, "7.5", 8.5) + MODEL % (1, "7.5", 9.0))
    assert said.memory == 15 * 2**30
    assert said.load_seconds == 9.0


@pytest.mark.parametrize("log", ["", "nothing of the kind"])
def test_a_log_that_says_nothing(log):
    assert enginelog.read(log) == enginelog.EngineLog()
