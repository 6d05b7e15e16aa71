"""Why an exchange with an upstream failed.

UpstreamFailure
├── Refused     no connection: nothing was sent, so any upstream may take the request
├── Stale       an idle connection that the server had closed: sent, but surely not answered
├── Broken      closed or reset before the answer was whole
├── Garbage     what came back is not HTTP, or its headers are too large
├── Silent      no byte for longer than a timeout allows
└── Left        our own client went away, so the exchange was ended
"""

from __future__ import annotations


class UpstreamFailure(Exception):
    """`kind` is the label of sllm_upstream_errors_total."""

    kind = "failure"


class Refused(UpstreamFailure):
    kind = "connect"


class Stale(UpstreamFailure):
    kind = "stale"


class Broken(UpstreamFailure):
    kind = "broken"


class Garbage(UpstreamFailure):
    kind = "garbage"


class Silent(UpstreamFailure):
    kind = "timeout"


class Left(UpstreamFailure):
    kind = "left"
