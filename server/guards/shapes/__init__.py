"""Answers of each endpoint with their texts judged, whole and as a stream; one file an endpoint."""
