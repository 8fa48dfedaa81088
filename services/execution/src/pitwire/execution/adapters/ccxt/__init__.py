"""Venues through the library ccxt, an extra that only a process which trades at such a venue loads."""
