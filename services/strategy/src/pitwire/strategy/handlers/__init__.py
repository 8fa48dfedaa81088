"""Records in, the core's answers out; only the order of work is decided here."""
