"""From a client's request to the core and back to JSON; the same for every transport."""
