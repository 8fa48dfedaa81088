"""Implementations of the feed: Binance, and one in memory."""
