"""Batch: many requests from a file, run in what interactive traffic leaves, none lost and none twice."""
