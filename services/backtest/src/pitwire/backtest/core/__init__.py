"""What runs a backtest, without I/O: candles and a job in, fills and figures out."""
