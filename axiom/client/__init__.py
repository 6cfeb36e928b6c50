"""A typed client of the service: `with Client("http://localhost:8000", key="axk_…") as axiom: axiom.users.list()`."""

from axiom.client.client import Client, Event

__all__ = ["Client", "Event"]
