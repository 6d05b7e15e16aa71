"""The samples behind a level's figures, from its requests: what the distributions and the timeline are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.reports.levels import Entry

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, numpy.dtype[Any]]


def answered(level: Entry) -> Iterator[dict[str, Any]]:
    """Requests that were completed."""
    return (request for request in level.get("requests") or [] if not request.get("error"))


def ttft_ms(levels: Sequence[Entry]) -> Array:
    """Time to the first event with choices of each completed request, ms: vLLM's definition."""
    import numpy

    found = [(r["first"] - r["sent"]) * 1000 for level in levels for r in answered(level) if r.get("first") is not None]
    return numpy.asarray(found, dtype=float)


def itl_ms(levels: Sequence[Entry]) -> Array:
    """Every gap between two events with choices of one completed request, ms: vLLM's definition."""
    import numpy

    gaps = [numpy.diff(r["times_ms"]) for level in levels for r in answered(level) if len(r.get("times_ms") or ()) > 1]
    return numpy.concatenate(gaps) if gaps else numpy.empty(0)


def ecdf(samples: Array, points: int) -> tuple[Array, Array]:
    """The share of samples at or below each of them, at `points` of them at most: evenly by rank, and all of the 20 highest,
    so that the tail is never drawn shorter than it is."""
    import numpy

    ordered = numpy.sort(samples)
    ranks = numpy.arange(1, len(ordered) + 1)
    if len(ordered) > points:
        evenly = numpy.linspace(0, len(ordered) - 21, points - 20).round().astype(int)
        chosen = numpy.union1d(evenly, numpy.arange(len(ordered) - 20, len(ordered)))
        ordered, ranks = ordered[chosen], ranks[chosen]
    return ordered, ranks / max(1, len(samples))


def pace(level: Entry, edges: Array) -> Array:
    """Output tokens/s in each interval between two `edges` (seconds since the level began). A request's tokens are spread evenly
    over its events; those of failed requests count as they came."""
    import numpy

    times, weights = [], []
    for request in level.get("requests") or []:
        offsets = request.get("times_ms") or []
        if offsets:
            times.append(numpy.asarray(offsets) / 1000 + request["sent"])
            weights.append(numpy.full(len(offsets), (request.get("output") or len(offsets)) / len(offsets)))
    if not times:
        return numpy.zeros(len(edges) - 1)
    tokens, _ = numpy.histogram(numpy.concatenate(times), edges, weights=numpy.concatenate(weights))
    pace: Array = tokens / numpy.diff(edges)
    return pace


def open_requests(level: Entry, at: Array) -> Array:
    """How many requests were open at each of the times `at`."""
    import numpy

    requests = level.get("requests") or []
    sent = numpy.sort([request["sent"] for request in requests])
    ended = numpy.sort([request["end"] for request in requests if request.get("end") is not None])
    return numpy.searchsorted(sent, at, "right") - numpy.searchsorted(ended, at, "right")


def failures(level: Entry) -> list[float]:
    """When each failed request ended, or was sent where it never did; seconds since the level began."""
    failed = (request for request in level.get("requests") or [] if request.get("error"))
    return [request["end"] if request.get("end") is not None else request["sent"] for request in failed]
