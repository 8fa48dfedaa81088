"""Writes the journal into PostgreSQL, rows and cursor in one transaction."""
