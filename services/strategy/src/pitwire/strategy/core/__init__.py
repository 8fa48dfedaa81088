"""What runs a strategy, without I/O: events in, order intents and reasons out."""
