"""One file a kind of guard."""
