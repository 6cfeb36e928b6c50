"""API keys: who may call, for what, until when. Never the secret, only its SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True)
class ApiKey:
    """One API key.

    Attributes:
        key_id: names it; the middle part of its text.
        name: what people call it.
        digest: SHA-256 of its text, hexadecimal.
        previous_digest: the same of its text before the last rotation; None when that is not good any more.
        previous_until: until when the text before the last rotation stays good, UTC.
        scopes: what it may do.
        rate: requests a second; None for the default of the installation.
        burst: requests at once; None for the default of the installation.
        created_at: UTC.
        created_by: who made it.
        expires_at: UTC; None for never.
        revoked_at: UTC; None while it is good.
    """

    key_id: str
    name: str
    digest: str
    previous_digest: str | None
    previous_until: datetime | None
    scopes: tuple[str, ...]
    rate: float | None
    burst: float | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
