"""What is asked: prompts of a known length, shared prefixes, ShareGPT, JSON lines."""
