"""What the device can do: bytes a second from its memory, and operations a second in matrix products. Measured with torch.

    python -m benchmarks.suite.rates            one JSON object on stdout

A process of its own: torch is imported here, and nowhere else in the benchmarks. The best of several runs is taken: it is a limit
that is looked for, and everything that disturbs makes a run slower.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

RUNS = 12
READ = {"cuda": 4 * 2**30, "cpu": 2**28}  # bytes: far more than any cache
SIDES = {"cuda": (4096, 8192, 16384), "cpu": (1024, 2048)}  # of the square matrices


def main() -> int:
    print(json.dumps(measure()), flush=True)
    return 0


def measure() -> dict[str, Any]:
    """Bytes/s of reading and of copying (bytes read plus bytes written), operations/s (2 n^3 a product) of bf16 and fp8 products.

    None for what the device or this torch cannot do.
    """
    import torch

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(kind)
    name = torch.cuda.get_device_name(0) if kind == "cuda" else "CPU"
    found: dict[str, Any] = {"device": name, "kind": kind, "torch": torch.__version__, "threads": torch.get_num_threads()}
    found |= bandwidth(torch, device, READ[kind])
    found["bf16"] = products(torch, device, SIDES[kind], bf16)
    found["fp8"] = products(torch, device, SIDES[kind], fp8)
    return found


def bandwidth(torch: Any, device: torch.device, size: int) -> dict[str, float]:
    source = torch.ones(size // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    read = best(torch, device, lambda: source.sum())
    copied = best(torch, device, lambda: target.copy_(source))
    return {"read_bytes_per_second": size / read, "copy_bytes_per_second": 2 * size / copied}


def bf16(torch: Any, device: torch.device, side: int) -> Callable[[], Any]:
    a = torch.randn(side, side, dtype=torch.bfloat16, device=device)
    b = torch.randn(side, side, dtype=torch.bfloat16, device=device)
    return lambda: a @ b


def fp8(torch: Any, device: torch.device, side: int) -> Callable[[], Any]:
    """torch's scaled product: one scale a matrix, the second one column by column, as the tensor cores want it."""
    a = torch.randn(side, side, device=device).to(torch.float8_e4m3fn)
    b = torch.randn(side, side, device=device).to(torch.float8_e4m3fn).t()
    one = torch.ones((), device=device)
    return lambda: torch._scaled_mm(a, b, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)


def products(torch: Any, device: torch.device, sides: tuple[int, ...], make: Callable[..., Callable[[], Any]]) -> float | None:
    """Operations/s of the fastest size."""
    rates = []
    for side in sides:
        try:
            rates.append(2 * side**3 / best(torch, device, make(torch, device, side)))
        except (RuntimeError, NotImplementedError, AttributeError) as error:
            print(f"{make.__name__}, {side} x {side}: {str(error).splitlines()[0]}", file=sys.stderr)
    return max(rates, default=None)


def best(torch: Any, device: torch.device, work: Callable[[], Any]) -> float:
    """Seconds of the fastest of RUNS, after two that warm up."""
    for _ in range(2):
        work()
    seconds = []
    for _ in range(RUNS):
        _wait(torch, device)
        began = time.perf_counter()
        work()
        _wait(torch, device)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _wait(torch: Any, device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    sys.exit(main())
