"""Embedders behind one interface: base.py."""
