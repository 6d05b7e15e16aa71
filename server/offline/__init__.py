"""`sllm batch`: an engine for the time of one job, or any server, and a file of requests through the gateway's pipeline."""
