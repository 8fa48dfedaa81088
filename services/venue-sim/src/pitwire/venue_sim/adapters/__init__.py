"""Where the venue touches the world: sockets, files, the timer of the market."""
