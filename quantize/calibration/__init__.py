"""The calibration set: where its samples come from, and how they become token ids."""
