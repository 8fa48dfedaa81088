"""What market-data decides, without I/O: order of messages, quality of data, each closed candle exactly once."""
