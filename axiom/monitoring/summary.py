"""The three pillars at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from axiom.monitoring.measures import PILLARS, Pillar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from axiom.db import Transaction
    from axiom.db.alerts import Alert
    from axiom.db.measurements import Measurement

PillarState = Literal["ok", "breached", "unknown"]


@dataclass(frozen=True)
class PillarSummary:
    """One pillar.

    Attributes:
        pillar: which.
        state: `breached` where any value is beyond its limit; `unknown` where none could be measured.
        ok: values within their limits.
        breached: values beyond them.
        unknown: what could not be measured.
        off: values that are not judged.
        alerts: open ones, those that are muted aside.
        muted: open ones that are muted.
    """

    pillar: Pillar
    state: PillarState
    ok: int
    breached: int
    unknown: int
    off: int
    alerts: int
    muted: int


@dataclass(frozen=True)
class Summary:
    """All pillars.

    Attributes:
        at: the logical time that was measured last; None before the first time.
        measured_at: when that was done; None likewise.
        pillars: every one, in the order of the table.
    """

    at: datetime | None
    measured_at: datetime | None
    pillars: tuple[PillarSummary, ...]


def read_summary(tx: Transaction) -> Summary:
    """The newest measurements and the open alerts by pillar."""
    found, alerts = tx.measurements.latest(), tx.alerts.open_ones()
    pillars = tuple(_pillar(pillar, found, alerts, tx.clock()) for pillar in PILLARS)
    return Summary(found[0].at, found[0].measured_at, pillars) if found else Summary(None, None, pillars)


def _pillar(pillar: Pillar, found: Sequence[Measurement], alerts: Sequence[Alert], now: datetime) -> PillarSummary:
    states = [one.state for one in found if one.pillar == pillar]
    here = [alert for alert in alerts if alert.pillar == pillar]
    muted = sum(alert.muted(now) for alert in here)
    state: PillarState = "breached" if "breached" in states else "ok" if "ok" in states else "unknown"
    counts = (states.count("ok"), states.count("breached"), states.count("unknown"), states.count("off"))
    return PillarSummary(pillar, state, *counts, alerts=len(here) - muted, muted=muted)
