"""Turns venue feeds into trades, top of book, books and closed candles on the bus."""
