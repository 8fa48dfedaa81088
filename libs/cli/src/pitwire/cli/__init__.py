"""The pitwire command: start, watch, limit, halt and verify the system."""
