"""Steps that can be resumed, and the suites made of them."""
