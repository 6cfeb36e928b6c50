"""What spreads work over cores and machines: Ray, or one process for small things and tests."""

from axiom.engine.base import Engine, InlineEngine, open_engine

__all__ = ["Engine", "InlineEngine", "open_engine"]
