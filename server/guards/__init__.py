"""Guards: what goes into a model and what comes out of it is judged here. Knows nothing of gateway and engine."""
