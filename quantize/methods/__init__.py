"""All methods by name, in the order in which `--method all` makes them."""
