"""The online store: what it holds, filling, clearing and proving it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import Field

from axiom.serve.platform.admission import Caller, Who, With
from axiom.serve.platform.wire import Shown

if TYPE_CHECKING:
    from axiom.serve.platform.services import Services

router = APIRouter(tags=["online store"])


class OnlineReport(Shown):
    """What the store holds."""

    place: str = Field(description="Folder or URL.")
    generation: str
    features_id: str
    feature_set: str
    fingerprint: str
    as_of: datetime
    customers: int
    features: int
    published_at: datetime
    already: bool = Field(description="Whether these very vectors were there before.")
    seconds: float


class OnlineStatus(Shown):
    """What the store holds, and whether that is what it should."""

    place: str
    held: OnlineReport | None
    newest_scores: str
    current: bool = Field(description="Whether it holds the features of the newest score set.")


class Cleared(Shown):
    """What was removed."""

    place: str
    customers: int


class Difference(Shown):
    """A number that is not the same online as offline."""

    customer_id: str
    feature: str
    offline: float | None
    online: float | None


class Verified(Shown):
    """Every customer of the features dataset against the store."""

    place: str
    generation: str
    features_id: str
    as_of: datetime
    equal: bool
    compared: int
    missing: int
    extra: int
    corrupt: int
    different: int
    max_difference: float | None
    examples: list[Difference]
    seconds: float


@router.get("/api/online")
def status(known: With) -> OnlineStatus:
    """What the online store holds."""
    from axiom.pipelines.online import online_status

    return OnlineStatus.model_validate(online_status(known.workspace))


@router.post("/api/online/sync")
def sync(who: Who, known: With) -> OnlineReport:
    """Fill the store with the features of the newest score set; what is there already is not written again."""
    return OnlineReport.model_validate(_sync(who, known))


@router.post("/api/online/clear")
def clear(who: Who, known: With) -> Cleared:
    """Remove everything from the store."""
    return Cleared.model_validate(_clear(who, known))


@router.post("/api/online/verify")
def verify(known: With) -> Verified:
    """Compare every vector of the store with the features it was made from."""
    from axiom.pipelines.online_verify import verify_online

    return Verified.model_validate(verify_online(known.workspace))


@router.post("/cache/sync", tags=["older names"])
def cache_sync(who: Who, known: With) -> OnlineReport:
    """As POST /api/online/sync."""
    return OnlineReport.model_validate(_sync(who, known))


@router.post("/cache/clear", tags=["older names"])
def cache_clear(who: Who, known: With) -> Cleared:
    """As POST /api/online/clear."""
    return Cleared.model_validate(_clear(who, known))


def _sync(who: Caller, known: Services) -> object:
    from axiom.pipelines.online import publish_features

    _note(who, known, "online.sync")
    return publish_features(known.workspace)


def _clear(who: Caller, known: Services) -> object:
    from axiom.pipelines.online import clear_online

    _note(who, known, "online.clear")
    return clear_online(known.workspace)


def _note(who: Caller, known: Services, action: str) -> None:
    # The store is no part of a transaction: that it was asked for is noted before, so that nothing happens unnoted.
    with known.db.transaction() as tx:
        tx.audit.record(who.actor, action, "online-store")
