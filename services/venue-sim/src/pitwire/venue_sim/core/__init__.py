"""The venue's decisions: matching, accounts, filters, candles and markets; synchronous and deterministic."""
