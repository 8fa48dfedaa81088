"""Runs strategy instances: market data in, order intents out."""
