"""Where recorded candles come from."""
