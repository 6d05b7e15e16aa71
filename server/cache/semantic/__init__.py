"""Answers to questions that mean the same: see docs/semantic-cache.md."""
