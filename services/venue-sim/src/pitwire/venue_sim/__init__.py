"""A Binance-compatible simulated spot venue: the counterparty in paper trading, the truth in tests."""
