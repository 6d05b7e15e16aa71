"""All methods by name, in the order in which `--method all` makes them."""

from __future__ import annotations

from quantize.errors import UsageError
from quantize.methods import awq, awq_ct, bnb_int8, bnb_nf4, fp8, gptq, gptq_ct, int8, int8_dynamic, rtn, w8a8
from quantize.methods.method import Method
from quantize.nearest import did_you_mean

_ORDER = (gptq, awq, bnb_int8, bnb_nf4, int8, int8_dynamic, w8a8, fp8, gptq_ct, awq_ct, rtn)
METHODS: dict[str, Method] = {module.METHOD.name: module.METHOD for module in _ORDER}


def get(name: str) -> Method:
    """The method of this name. Raises UsageError with the nearest names."""
    if name not in METHODS:
        raise UsageError(f"no method '{name}': {did_you_mean(name, METHODS)}")
    return METHODS[name]
