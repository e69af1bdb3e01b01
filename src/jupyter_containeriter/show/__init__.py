"""How deployments, progress and errors look: HTML cards for notebooks, plain lines for terminals."""
