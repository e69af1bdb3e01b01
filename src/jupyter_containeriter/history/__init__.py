"""The history: every iteration as one row, kept in one file, read back as a DataFrame.

Importing this package is cheap: SQLAlchemy and pandas are imported on first use.
"""

from .store import History

__all__ = ["History"]
