"""The `platform` application at `/`: everything that is not on the hot path."""

from axiom.serve.platform.deployment import application

__all__ = ["application"]
