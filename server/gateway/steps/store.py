"""Keeps the answer that a request led, and ends its flight. Runs after every request, answered or not."""

from __future__ import annotations

from server.gateway import inputs
from server.gateway.call import Call
from server.gateway.kept import Kept


class Store:
    """Only what came to its end with status 200 is kept; whether it is whole is looked at when its entry is made."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept
        self.flights = kept.flights
        self.results = kept.metrics.results

    def __call__(self, call: Call) -> None:
        if call.cache is not None and call.target is not None:
            self.results[call.target.name, call.cache[1]] += 1
        flight = call.flight
        if flight is None:
            return
        self.flights.end(flight)
        if flight.state == "done" and flight.kept and flight.epoch == self.flights.epoch:  # no flush since it began
            if call.inputs is not None:
                inputs.keep(call, call.inputs, flight, self.kept)
            else:
                self.kept.keep(call, flight)
