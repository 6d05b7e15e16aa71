"""The sets that guards are measured on, and the scripts that make them."""
