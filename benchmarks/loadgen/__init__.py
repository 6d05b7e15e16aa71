"""The load generator: requests out, one record each back."""
