"""What decides in execution: journal events and the venue's words in, actions out. No I/O, no clock."""
