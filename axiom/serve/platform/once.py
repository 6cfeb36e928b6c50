"""Creates that may be sent again: the same `Idempotency-Key` and body give the same answer, and it is done once."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import scrypt
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import Depends, Header, Request
from starlette.responses import Response

from axiom.serve.platform.admission import Caller, Who  # noqa: TC001  (read at run time)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from axiom.db import Database, Transaction

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern=r"^[!-~]+$",
        description="Chosen by the client; for a day the same key and body give the same answer.",
    ),
]
REPLAYED = {"idempotent-replayed": "true"}


@dataclass(frozen=True)
class Once:
    """One request that creates something.

    Attributes:
        caller: who asks.
        key: idempotency key; None where none was sent.
        operation: method and path.
        body: as it was sent.
    """

    caller: Caller
    key: str | None
    operation: str
    body: bytes

    def create(
        self,
        db: Database,
        make: Callable[[Transaction], BaseModel],
        *,
        status: int = 201,
        secret: str = "",
        headers: Callable[[Mapping[str, Any]], Mapping[str, str]] = lambda _body: {},
    ) -> Response:
        """Make it, or give the answer that was given before; both in one transaction with what it writes.

        Args:
            db: where.
            make: writes, and gives the answer.
            status: of the answer.
            secret: a field of the answer that is shown once: it is not kept, and null when the answer is given again.
            headers: of the answer, made of its body.

        Raises:
            ConflictError: the key was used for another request.
        """
        replayed = False
        # Outside of the transaction, which others wait for: it takes a while on purpose.
        fingerprint = self._fingerprint() if self.key else ""
        with db.transaction() as tx:
            found = self._claim(tx, fingerprint)
            if found is None:
                answer = make(tx)
                body = answer.model_dump(mode="json")
                if self.key:
                    kept = {**body, secret: None} if secret else body
                    tx.replies.keep(self.caller.actor, self.key, status=status, body=kept)
            else:
                replayed, (status, body) = True, (found[0], dict(found[1]))
        sent = {**headers(body), **(REPLAYED if replayed else {})}
        return Response(orjson.dumps(body), status, sent, media_type="application/json")

    def _claim(self, tx: Transaction, fingerprint: str) -> tuple[int, Mapping[str, Any]] | None:
        if not self.key:
            return None
        return tx.replies.claim(self.caller.actor, self.key, operation=self.operation, fingerprint=fingerprint)

    def _fingerprint(self) -> str:
        # Slow and salted, because the body may hold a password that somebody chose.
        salt = f"{self.caller.actor} {self.key}".encode()
        return scrypt(_canonical(self.body), salt=salt, n=1 << 13, r=8, p=1, dklen=24).hex()


def _canonical(body: bytes) -> bytes:
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return body


async def _once(request: Request, who: Who, idempotency_key: KeyHeader = None) -> Once:
    return Once(who, idempotency_key, f"{request.method} {request.url.path}", await request.body())


Creating = Annotated[Once, Depends(_once)]
