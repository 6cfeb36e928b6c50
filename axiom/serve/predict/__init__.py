"""Online scoring over HTTP: one deployment, plain Starlette."""

from axiom.serve.predict.deployment import application

__all__ = ["application"]
