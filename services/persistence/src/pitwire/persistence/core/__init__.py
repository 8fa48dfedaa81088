"""From messages to rows: pure, no clock, no I/O."""
