"""Readings of the data themselves: how fresh they are, and how much of them was refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from axiom.monitoring.judging import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from axiom.lake import Snapshot

_HOUR = timedelta(hours=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def freshness(snapshots: Mapping[str, Snapshot], at: datetime) -> Iterator[Reading]:
    """Hours from the newest row of each entity to a moment; attributes of customers may be as old as they like.

    A moment before the newest row, as of a back-fill, is no hours after it.
    """
    found = False
    for entity, snapshot in snapshots.items():
        if entity == "customers" or snapshot.max_ts is None:
            continue
        found = True
        newest = _EPOCH + timedelta(microseconds=snapshot.max_ts)
        hours = max((at - newest) / _HOUR, 0.0)
        yield Reading("freshness_hours", entity, hours, evidence={"newest_row": newest.isoformat()})
    if not found:
        yield Reading("freshness_hours", reason="nothing was ingested: run `axiom ingest`")


def refusals(counts: Mapping[str, tuple[int, int]], since: datetime, at: datetime) -> Iterator[Reading]:
    """Share of refused rows of each entity.

    Args:
        counts: entity -> (rows refused, rows read) of the batches of that time.
        since: from when on.
        at: up to when.
    """
    read = {entity: found for entity, found in counts.items() if found[1]}
    for entity, (refused, rows) in sorted(read.items()):
        evidence = {"refused": refused, "rows": rows, "since": since.isoformat(), "until": at.isoformat()}
        yield Reading("refused_share", entity, refused / rows, evidence=evidence)
    if not read:
        yield Reading("refused_share", reason=f"no rows were ingested in the day up to {at:%Y-%m-%d %H:%M} UTC")
