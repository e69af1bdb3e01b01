"""A load generator: requests as bytes in, latencies out. It knows nothing of models and containers."""

from .generator import Level, Tick, generate, post

__all__ = ["Level", "Tick", "generate", "post"]
