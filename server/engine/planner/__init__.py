"""What a model needs and what fits, from its config.json and the headers of its weights alone."""
