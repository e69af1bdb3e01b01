"""Working stand-ins for tests: an engine in memory, and small valid images."""
