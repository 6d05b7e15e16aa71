"""What every embedder is: texts in, vectors of length 1 out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from server.errors import StartError

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Vector = NDArray[float32]
else:
    Vector = Any

Post = Callable[[bytes], Awaitable[bytes]]  # an embeddings request's JSON in, the answer's JSON out; raises EmbedderDown


class EmbedderDown(Exception):
    """The embedder does not answer, or answers what is no vector. The request is a miss."""


class TooLong(Exception):
    """The embedder would cut the text off, so what differs behind the cut would be unseen."""


class Embedder(Protocol):
    """`name` tells embedders apart whose vectors do not compare: model, prefix, dimensions."""

    name: str
    deadline: float  # seconds that a look-up waits for a vector, unless configured

    async def open(self) -> None:
        """Load what is needed. Raises StartError with a sentence that says what is missing and what to type."""

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """One vector a text, float32, length 1. Raises EmbedderDown, TooLong."""

    async def close(self) -> None: ...


def numpy() -> Any:
    """The numpy module. Raises StartError where it is not installed, or is too old to count bits."""
    try:
        import numpy
    except ImportError:
        raise StartError(f"The semantic cache needs numpy: {INSTALL}, or set cache.semantic.mode: off.") from None
    if not hasattr(numpy, "bitwise_count"):
        raise StartError(f"The semantic cache needs numpy 2, this is {numpy.__version__}: {INSTALL}.")
    return numpy


INSTALL = "pip install -r requirements/semantic.txt"


def unit(vector: Vector) -> Vector:
    """`vector` with length 1. Raises EmbedderDown for zero, NaN and infinity."""
    np = numpy()
    length = float(np.sqrt(np.dot(vector, vector)))
    if not 0 < length < float("inf"):
        raise EmbedderDown("the vector has no length")
    scaled: Vector = (vector / length).astype(np.float32)
    return scaled
