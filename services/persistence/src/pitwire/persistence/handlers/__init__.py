"""Streams in, rows out: reading, batching, committing, one loop per stream."""
