"""How results are kept and shown: one JSON document, CSV, page, pictures, terminal."""
