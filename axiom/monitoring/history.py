"""What happened to one alert, as the audit trail tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from axiom.db import Transaction


@dataclass(frozen=True)
class Happening:
    """One change of an alert.

    Attributes:
        at: when, UTC.
        actor: who: `monitor`, a user or a key.
        what: `open`, `mute`, `unmute` or `resolve`.
        reason: why; "" where nobody said.
    """

    at: datetime
    actor: str
    what: str
    reason: str


def read_history(tx: Transaction, alert_id: str) -> tuple[Happening, ...]:
    """Every change of an alert, oldest first."""
    entries = tx.audit.list(thing=f"alert:{alert_id}", limit=500)
    return tuple(
        Happening(entry.at, entry.actor, entry.action.removeprefix("alert."), str(entry.detail.get("reason", "")))
        for entry in reversed(entries)
    )
