"""Candles of the past: fetched from a venue into PostgreSQL, in pages that can be broken off and gone on with."""
