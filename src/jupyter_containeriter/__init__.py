"""From the model in the kernel to a verified container, in one line, timed."""

__version__ = "0.1.0"
