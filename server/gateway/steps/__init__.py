"""The steps of a request, one a file; `pipeline.py` puts them in order."""
