"""The version, where the server in the container finds it, too."""

__version__ = "0.1.0"
