"""The device's rates. Their size is the machine's; what is tested is that they are measured, and what is done without a kernel."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.suite import rates

torch = pytest.importorskip("torch")
CPU = torch.device("cpu")


def test_bandwidth_counts_a_copy_twice() -> None:
    found = rates.bandwidth(torch, CPU, 2**20)
    assert set(found) == {"read_bytes_per_second", "copy_bytes_per_second"}
    assert min(found.values()) > 0


def test_the_fastest_size_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "best", lambda torch, device, work: work())
    seconds = {10: 1.0, 20: 2.0}
    assert rates.products(torch, CPU, (10, 20), lambda torch, device, side: lambda: seconds[side]) == 2 * 20**3 / 2.0


def test_a_product_that_the_device_lacks_is_none_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    def missing(torch: Any, device: Any, side: int) -> Any:
        raise RuntimeError("no such kernel\nand a trace")

    assert rates.products(torch, CPU, (16,), missing) is None
    assert capsys.readouterr().err == "missing, 16 x 16: no such kernel\n"


def test_a_bf16_product_runs() -> None:
    assert rates.bf16(torch, CPU, 32)().shape == (32, 32)
