"""A session over an engine in memory, as :mod:`session_bench` sets it up."""

from session_bench import lab, make_lab

__all__ = ["lab", "make_lab"]
