"""API keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import Response

from axiom.access.keys import issue, rotate
from axiom.serve.platform.admission import Who, With
from axiom.serve.platform.conditions import IfMatchOrAny, etag
from axiom.serve.platform.once import Creating
from axiom.serve.platform.wire import Given, Listed, Moment, Paged, Reason, Shown, asked, equal, listed, missing

if TYPE_CHECKING:
    from axiom.access.keys import Issued
    from axiom.db import Transaction
    from axiom.db.keys import ApiKey

router = APIRouter(tags=["keys"])
KeyId = Annotated[str, Path(pattern=r"^[a-z0-9]{1,32}$", description="The 12 characters after axk_.")]
Sort = Literal["name", "-name", "created_at", "-created_at", "expires_at", "-expires_at"]
_SOME = 1e9


class Key(Shown):
    """An API key. Its text is never shown again."""

    key_id: str
    name: str
    state: Literal["good", "expired", "revoked"]
    scopes: list[str]
    rate: float | None = Field(description="Requests a second; null for AXIOM_RATE_LIMIT.")
    burst: float | None = Field(description="Requests at once; null for AXIOM_RATE_BURST.")
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    previous_until: datetime | None = Field(description="Until when the text before the last rotation is good.")


class KeyWithText(Key):
    """A key that was just made or rotated."""

    key: str | None = Field(description="The text, shown this once; null when the answer is given again.")


class NewKey(Given):
    """A key to be made."""

    name: str = Field(min_length=1, max_length=64, description="The application that will use it.")
    scopes: list[str] = Field(["predict"], min_length=1, max_length=100, description="Permissions.")
    rate: float | None = Field(None, gt=0, le=_SOME)
    burst: float | None = Field(None, ge=1, le=_SOME)
    expires_at: Moment | None = None


class Rotation(Given):
    """How to rotate a key."""

    overlap_days: float = Field(0.0, ge=0, le=90, description="So long the text before stays good.")


class Revocation(Given):
    """Why a key is revoked."""

    reason: Reason


@router.get("/api/keys")
def list_keys(
    known: With,
    part: Paged,
    revoked: Annotated[bool | None, Query()] = None,
    name: Annotated[str | None, Query(max_length=64)] = None,
    sort: Annotated[Sort, Query()] = "-created_at",
) -> Listed[Key]:
    """API keys; never their texts."""
    good = None if revoked is None else not revoked
    with known.db.reading() as tx:
        found = tx.pages.keys(asked(part, sort, missing("revoked_at", good), equal("name", name)))
    return Listed[Key].model_validate(listed(found, _key))


@router.post("/api/keys", status_code=201, response_model=KeyWithText)
def create(body: NewKey, who: Who, known: With, once: Creating) -> Response:
    """Make a key and show its text, once: only its hash is kept."""

    def make(tx: Transaction) -> KeyWithText:
        issued = issue(
            tx,
            body.name,
            scopes=body.scopes,
            actor=who.actor,
            rate=body.rate,
            burst=body.burst,
            expires_at=body.expires_at,
        )
        return _with_text(issued)

    made = once.create(known.db, make, secret="key", headers=lambda key: {"location": f"/api/keys/{key['key_id']}"})  # noqa: S106
    known.keys.refresh()
    return made


@router.get("/api/keys/{key_id}")
def show(key_id: KeyId, known: With, response: Response) -> Key:
    """One key."""
    with known.db.reading() as tx:
        key = _key(tx.keys.get(key_id))
    response.headers["etag"] = etag(key)
    return key


@router.post("/api/keys/{key_id}/rotate", response_model=KeyWithText)
def rotate_key(key_id: KeyId, body: Rotation, who: Who, known: With, once: Creating) -> Response:
    """Give a key another text and show it, once. Scopes, limits and expiry stay."""

    def make(tx: Transaction) -> KeyWithText:
        return _with_text(rotate(tx, key_id, actor=who.actor, overlap=timedelta(days=body.overlap_days)))

    made = once.create(known.db, make, status=200, secret="key")  # noqa: S106
    known.keys.refresh()
    return made


@router.post("/api/keys/{key_id}/revoke")
def revoke(key_id: KeyId, body: Revocation, who: Who, known: With, seen: IfMatchOrAny) -> Key:
    """Make a key useless, for good; services that run know it within a second or two."""
    with known.db.transaction() as tx:
        seen.check(etag(_key(tx.keys.get(key_id))), f"API key {key_id}")
        revoked = tx.keys.revoke(key_id, actor=who.actor, reason=body.reason)
    known.keys.refresh()
    return _key(revoked)


def _key(row: ApiKey) -> Key:
    return Key.model_validate(_facts(row))


def _with_text(issued: Issued) -> KeyWithText:
    return KeyWithText.model_validate({**_facts(issued.key), "key": issued.text})


def _facts(row: ApiKey) -> dict[str, object]:
    now = datetime.now(UTC)
    state = "revoked" if row.revoked_at else "expired" if row.expires_at and row.expires_at <= now else "good"
    return {"state": state, **{name: value for name, value in vars(row).items() if "digest" not in name}}
