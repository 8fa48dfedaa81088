"""Ticks in, messages out: core messages at once, closed candles one by one into their stream."""
