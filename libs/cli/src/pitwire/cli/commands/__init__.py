"""One module per family of commands: what the terminal says and which work it starts; heavy imports stay inside."""
