"""Between the world and the core: journal in, events out, the venue asked and heard. Decides nothing."""
