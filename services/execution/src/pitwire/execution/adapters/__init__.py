"""The outside world: venues, files."""
