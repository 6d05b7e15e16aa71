"""What a person sees in the terminal: flags, the ready block, the chat."""
