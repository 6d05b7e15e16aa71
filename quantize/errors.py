"""Every error that quantizing and evaluating can cause a user, in one tree.

    QuantizeError                 exit 1
    ├── UsageError                exit 2: a flag, a recipe file
    ├── SourceError               not a model folder, cut short, GGUF, already quantized, an unknown architecture
    ├── Refused                   the gate: a shape, the target, memory or disk do not allow this method
    ├── CalibrationError          the calibration file: a bad line, nothing in it
    ├── MissingLibrary            what the method needs is not installed
    ├── DiskFull
    ├── MethodFailed              the library ended without a checkpoint
    ├── CheckFailed               the checkpoint was made and does not serve, or answers wrongly
    └── EvaluationError           a model could not be measured

A message says what was wrong, where, and what to type next.
"""

from __future__ import annotations


class QuantizeError(Exception):
    """Base of every error that is shown to a user as one sentence, never as a stack trace."""

    exit_code = 1

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


class UsageError(QuantizeError):
    exit_code = 2


class SourceError(QuantizeError):
    pass


class Refused(QuantizeError):
    pass


class CalibrationError(QuantizeError):
    pass


class MissingLibrary(QuantizeError):
    pass


class DiskFull(QuantizeError):
    pass


class MethodFailed(QuantizeError):
    pass


class CheckFailed(QuantizeError):
    pass


class EvaluationError(QuantizeError):
    pass
