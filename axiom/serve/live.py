"""Start the service, ask it for some customers over HTTP, stop it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from axiom.serve.local import serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.settings import Settings


def ask_live(settings: Settings, customers: Sequence[str], *, port: int) -> list[dict[str, Any]]:
    """The churn and CLV answers of a running service, one merged object a customer.

    Raises:
        NotFoundError: nothing was scored yet.
        UnavailableError: Ray does not answer.
    """
    with serving(settings, port=port) as url:
        return [
            _post(f"{url}/api/predict/churn", customer) | _post(f"{url}/api/predict/clv", customer)
            for customer in customers
        ]


def _post(url: str, customer: str) -> dict[str, Any]:
    body = json.dumps({"customer_id": customer}).encode()
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    with urlopen(request, timeout=30) as reply:  # noqa: S310  (our own service on this machine)
        answer: dict[str, Any] = json.loads(reply.read())
    return answer
