"""Start the service, ask it for some customers over HTTP with a key of its own, stop it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from axiom.access.keys import issue
from axiom.pipelines.workspace import opened
from axiom.serve.local import serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.settings import Settings

KEY_HOURS = 1


def ask_live(settings: Settings, customers: Sequence[str], *, port: int) -> list[dict[str, Any]]:
    """The answers of a running service, `{"churn": …, "clv": …}` a customer.

    The key it asks with expires within the hour.

    Raises:
        ConflictError: the port is in use.
        UnavailableError: Ray does not answer.
    """
    until = datetime.now(UTC) + timedelta(hours=KEY_HOURS)
    with opened(settings) as ws, ws.db.transaction() as tx:
        key = issue(tx, "demo", scopes=("predict",), actor="axiom demo", expires_at=until).text
    with serving(settings, port=port, grpc_port=port + 1000 if port < 64000 else port - 1000) as url:
        return [
            {kind: _post(f"{url}/api/predict/{kind}", customer, key) for kind in ("churn", "clv")}
            for customer in customers
        ]


def _post(url: str, customer: str, key: str) -> dict[str, Any]:
    body = json.dumps({"customer_id": customer}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    with urlopen(Request(url, body, headers), timeout=30) as reply:  # noqa: S310  (our own service on this machine)
        answer: dict[str, Any] = json.loads(reply.read())
    return answer
