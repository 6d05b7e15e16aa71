"""Measurements of the stack, over HTTP only; imports neither `server` nor `quantize`.

vLLM's CUDA requirements put another top-level `benchmarks` folder into site-packages: start these
modules from the repository's root (`python -m benchmarks.gateway`), where this one comes first.
"""
