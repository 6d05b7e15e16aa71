"""From a model to a small one that is known to serve: recipe, calibrate, quantize, save, evaluate, manifest. Never imports server."""
