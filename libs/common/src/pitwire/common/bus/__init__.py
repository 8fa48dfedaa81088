"""The bus as Pitwire needs it: a port, the real one over NATS, and one in memory with the same semantics."""
