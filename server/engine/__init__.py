"""vLLM through its public command line and HTTP: found, started, watched, restarted, ended."""
