"""Answers that are kept and served again: exact, semantic, and those that are being made just now."""
