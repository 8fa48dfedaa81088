"""Runs asked for in, results out; only the order of work is decided here."""
