"""Binance Spot as an order venue: WebSocket API for orders and the private stream, REST for everything asked again."""
