"""The pictures of a results document, drawn with matplotlib's objects (no pyplot, so no state is shared between two pictures)."""
