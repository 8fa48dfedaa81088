"""Every message on the bus, one family a file: the contract between services."""
