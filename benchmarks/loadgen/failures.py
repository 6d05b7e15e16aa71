"""What keeps a connection from answering: the classes that records count, and the sentences that people read."""

from __future__ import annotations

import socket
import ssl

from benchmarks.errors import BenchError
from benchmarks.loadgen.target import Target

Failure = tuple[str, str]  # (class of few words, details)


class NoAnswer(BenchError):
    """A server that cannot be reached or does not answer; `failure` is the class, as records name it."""

    def __init__(self, target: Target, failure: Failure):
        self.failure, words = failure
        super().__init__(_sentence(target, self.failure, words))


def failure_of(error: Exception) -> Failure:
    """The class of what went wrong with a connection, and its words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "bad certificate", error.verify_message or str(error)
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (socket.gaierror, "unknown host"),
        (UnicodeError, "unknown host"),
        (ssl.SSLError, "TLS failed"),
        (ConnectionRefusedError, "connection refused"),
        (ConnectionResetError, "connection reset"),
        (BrokenPipeError, "connection reset"),
        (TimeoutError, "no connection in time"),
        (FileNotFoundError, "no such socket"),
    )
    return next((name for kind, name in kinds if isinstance(error, kind)), "no connection"), str(error)


def _sentence(target: Target, failure: str, words: str) -> str:
    if failure == "bad certificate":
        return (
            f"The certificate of {target} is not trusted ({words}): name the file of its authority in SSL_CERT_FILE, or use http:// "
            "where the network is your own."
        )
    if failure == "TLS failed":
        return f"{target} does not speak TLS as asked ({words}): is it an http:// address?"
    if failure == "unknown host":
        return f"The host of {target} is not known ({words}): check the address."
    return f"{target} gave no answer: {failure} ({words}). Check that it runs and that the address is right."
