"""One file a verb of `sllm bench`."""
