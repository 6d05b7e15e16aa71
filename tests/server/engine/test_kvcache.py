"""kv_cache_dtype is refused with the reason where the engine or the machine cannot."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.engine import kvcache
from server.engine.checkpoint import inspect
from server.errors import ConfigError, StartError
from server.settings import Model, parse
from tests.server.engine.conftest import CPU, write_model

WIDE = replace(CPU, instructions=frozenset({"avx2", "avx512f"}))
NARROW = replace(CPU, instructions=frozenset({"avx2"}))
H200 = replace(CPU, kind="cuda", capability=9.0)
T4 = replace(CPU, kind="cuda", capability=7.5)


def check(dtype: Any, machine: Any, tmp_path: Path | None = None, **config: Any) -> None:
    found = inspect(write_model(tmp_path / "m", **config)) if tmp_path else None
    kvcache.check(Model(name="m", path="x", kv_cache_dtype=dtype), machine, found)


@pytest.mark.parametrize(
    ("dtype", "machine"),
    [
        *[("auto", NARROW), ("bfloat16", NARROW), ("fp8", WIDE), ("fp8_e5m2", WIDE), ("auto", T4), ("float16", T4), ("fp8", H200)],
        *[("nvfp4", H200), ("int8_per_token_head", H200), ("fp8", replace(H200, capability=0.0))],
    ],
)
def test_what_works_is_let_through(dtype: str, machine: Any) -> None:
    check(dtype, machine)


@pytest.mark.parametrize(
    ("dtype", "machine", "said"),
    [
        ("fp8", NARROW, "needs a CPU with AVX-512 or AMX, and this one has neither: set auto"),
        ("nvfp4", WIDE, "needs an NVIDIA GPU, and this engine runs on the CPU: set auto or fp8"),
        ("int8_per_token_head", NARROW, "needs an NVIDIA GPU, and this engine runs on the CPU: set auto$"),
        ("float16", WIDE, "needs an NVIDIA GPU"),
        ("fp8", T4, r"needs a GPU of compute capability 8 or newer, and this one has 7\.5: set auto"),
    ],
)
def test_what_the_machine_cannot_is_refused(dtype: str, machine: Any, said: str) -> None:
    with pytest.raises(StartError, match=f"model 'm': `kv_cache_dtype: {dtype}` {said}"):
        check(dtype, machine)


def test_heads_that_32_does_not_divide_have_no_fp8_cache_on_a_cpu(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="this model's is 80: set auto"):
        check("fp8", WIDE, tmp_path, head_dim=80)
    check("fp8", WIDE, tmp_path, head_dim=64)


def test_e5m2_does_not_go_with_an_fp8_checkpoint(tmp_path: Path) -> None:
    fp8 = {"quant_method": "fp8"}
    with pytest.raises(StartError, match="does not go with an fp8 checkpoint"):
        check("fp8_e5m2", H200, tmp_path, quantization_config=fp8)
    check("fp8", H200, tmp_path, quantization_config=fp8)


def test_nvfp4_wants_other_heads_than_64_on_a_hopper_gpu(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="heads of 64"):
        check("nvfp4", H200, tmp_path, head_dim=64)
    check("nvfp4", H200, tmp_path, head_dim=128)


def test_an_unknown_type_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"kv_cache_dtype.*'fp8'"):
        parse({"models": [{"name": "m", "path": "x", "kv_cache_dtype": "fp9"}]})
