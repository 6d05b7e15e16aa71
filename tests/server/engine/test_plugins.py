"""bitsandbytes: the plugin where this vLLM needs it, and out of the way where it has its own."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from server.engine import plugins
from server.engine.checkpoint import inspect
from server.errors import StartError
from tests.server.engine.conftest import write_model

BOTH = [("bitsandbytes", "vllm-bnb-plugin"), ("lora_filesystem_resolver", "vllm")]


def not_installed(name: str) -> str:
    raise PackageNotFoundError(name)


@pytest.mark.parametrize(
    ("quantization", "vllm", "plugin"),
    [
        ("bitsandbytes", "0.27.1", ""),
        ("bitsandbytes", "0.28.0", "vllm-bnb-plugin"),
        ("bitsandbytes", "0.33.0+cu130", "vllm-bnb-plugin"),
        ("gptq", "0.33.0", ""),
        ("bitsandbytes", "", ""),
    ],
)
def test_bitsandbytes_needs_a_plugin_from_0_28(quantization: str, vllm: str, plugin: str) -> None:
    assert plugins.needed(quantization, vllm) == plugin


def test_a_plugin_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    found = inspect(write_model(tmp_path, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}))
    with pytest.raises(StartError, match="pip install --no-deps vllm-bnb-plugin bitsandbytes"):
        plugins.check(found, "0.32.0", not_installed)
    plugins.check(found, "0.27.1", not_installed)


def test_an_engine_with_its_own_bitsandbytes_does_not_load_the_plugin() -> None:
    assert plugins.environment("0.27.1", BOTH) == {"VLLM_PLUGINS": "lora_filesystem_resolver"}
    assert plugins.environment("0.27.1", BOTH[:1]) == {"VLLM_PLUGINS": ""}


@pytest.mark.parametrize("vllm", ["0.28.0", "0.33.0", ""])
def test_an_engine_that_needs_the_plugin_loads_all(vllm: str) -> None:
    assert plugins.environment(vllm, BOTH) == {}


def test_without_the_plugin_nothing_is_set() -> None:
    assert plugins.environment("0.27.1", BOTH[1:]) == {}


def test_the_installed_plugins_name_their_distributions() -> None:
    assert ("bitsandbytes", "vllm-bnb-plugin") in plugins.found()
