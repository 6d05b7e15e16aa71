"""What the demo model is taught: facts, the ways to ask for them, and the conversations made of both."""
