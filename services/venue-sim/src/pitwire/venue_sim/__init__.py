"""A Binance-compatible simulated spot venue: the counterparty of paper trading and the truth that tests compare with."""
