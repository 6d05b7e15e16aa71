"""What runs inside the engine's own process, found there by its folder on PYTHONPATH; never imported by the rest."""
