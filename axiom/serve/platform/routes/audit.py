"""The audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from axiom.db.audit import Head
from axiom.serve.platform.admission import With
from axiom.serve.platform.wire import Listed, Moment, Paged, Shown, asked, at_least, below, equal, listed

router = APIRouter(tags=["audit"])


class AuditEntry(Shown):
    """One line of the trail."""

    id: int
    at: datetime
    actor: str
    action: str = Field(description="`thing.verb`, for example `key.revoke`.")
    object: str = Field(description="For example `user:ann`.")
    detail: dict[str, Any]
    prev_hash: str
    hash: str


class AuditState(Shown):
    """The trail as it was verified."""

    entries: int
    head: str = Field(description="`<entries>:<hash>`; keep it elsewhere, and give it as `anchor` later.")


@router.get("/api/audit")
def list_audit(
    known: With,
    part: Paged,
    actor: Annotated[str | None, Query(max_length=256)] = None,
    action: Annotated[str | None, Query(max_length=256)] = None,
    object: Annotated[str | None, Query(max_length=256, description="For example `user:ann`.")] = None,  # noqa: A002
    since: Annotated[Moment | None, Query()] = None,
    until: Annotated[Moment | None, Query()] = None,
) -> Listed[AuditEntry]:
    """Who did what to which thing, newest first."""
    wanted = asked(
        part,
        None,
        equal("actor", actor),
        equal("action", action),
        equal("object", object),
        at_least("at", since),
        below("at", until),
    )
    with known.db.reading() as tx:
        found = tx.pages.audit(wanted)
    return Listed[AuditEntry].model_validate(listed(found, AuditEntry.model_validate))


@router.get("/api/audit/verify")
def verify(
    known: With,
    anchor: Annotated[str | None, Query(max_length=128, description="A head that was kept elsewhere.")] = None,
) -> AuditState:
    """Walk the whole trail. 500 with the problem type `corrupt` names the first thing that does not fit."""
    with known.db.reading() as tx:
        head = tx.audit.verify(None if anchor is None else Head.parse(anchor))
    return AuditState(entries=head.entries, head=str(head))
