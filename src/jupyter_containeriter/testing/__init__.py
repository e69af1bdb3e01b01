"""Working stand-ins for tests: an engine in memory, and small valid images."""

from jupyter_containeriter.testing.engine import FakeEngine
from jupyter_containeriter.testing.images import tiny_image

__all__ = ["FakeEngine", "tiny_image"]
