"""`sllm chat`: talk to a server of the OpenAI API in the terminal."""
