"""Measure models through vLLM itself, as `sllm serve` serves them, and compare variants with a baseline."""
