"""Backtests: the cores that trade live, over recorded candles, in virtual time."""
