"""The embedded run: every service its own process, real servers, one supervisor."""
