"""What goes wrong in a benchmark and is the user's to put right: one sentence that says what to type next, no stack trace."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark failed: exit code 1."""

    exit_code = 1

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


class BenchUsageError(BenchError):
    """A flag, a file of the user's, a data set: exit code 2."""

    exit_code = 2
