"""Stage: measure data and models, write the measurements down, and bring the alerts in line with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from axiom.errors import MisuseError
from axiom.monitoring.alerting import settle
from axiom.monitoring.judging import judge
from axiom.monitoring.thresholds import thresholds_in_force
from axiom.pipelines.monitor_readings import all_readings
from axiom.pipelines.tracking import tracked

if TYPE_CHECKING:
    from datetime import datetime

    from axiom.db.alerts import Alert
    from axiom.monitoring.judging import Judged
    from axiom.pipelines.workspace import Workspace

CLOCKS = timedelta(minutes=5)
"""How far the clocks of two machines may be apart: a scheduler on one names the time, a job on another measures."""


@dataclass(frozen=True, eq=False)
class MonitorReport:
    """What a run of the monitor found.

    Attributes:
        at: the logical time that it speaks about.
        judged: every measure, with its state.
        opened: alerts that are new.
        seen_again: alerts that were open already.
        resolved: alerts whose measure has recovered.
        past: whether a later time was measured before; then no alert was touched.
    """

    at: datetime
    judged: tuple[Judged, ...]
    opened: tuple[Alert, ...]
    seen_again: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    past: bool

    @property
    def states(self) -> dict[str, int]:
        """State -> how many readings are in it."""
        counts = Counter(one.state for one in self.judged)
        return {state: counts[state] for state in ("ok", "breached", "unknown", "off")}


def monitor(
    ws: Workspace, *, as_of: datetime | None = None, churn: str | None = "churn", clv: str | None = "clv"
) -> MonitorReport:
    """Measure everything once. A run that is repeated for the same time measures again and doubles no alert.

    Args:
        ws: the workspace.
        as_of: the moment that the readings speak about; default: now.
        churn: name of the churn model, or None to leave it out.
        clv: name of the CLV model, or None to leave it out.

    Raises:
        MisuseError: the moment has not come yet.
        CorruptError: the champion's artefact is damaged.
    """
    with ws.db.reading() as tx:
        now = tx.clock()
    at = as_of or now.replace(microsecond=0)
    if at > now + CLOCKS:
        raise MisuseError(f"{at.isoformat(timespec='seconds')} has not come yet", hint="name a time up to now")
    models = {kind: name for kind, name in (("churn", churn), ("clv", clv)) if name}
    params = {"as_of": at.isoformat(), "models": models}
    with tracked(ws.db, "monitor", at.isoformat(), params) as attempt:
        readings = list(all_readings(ws, at, models))
        with ws.db.transaction() as tx:
            judged = judge(readings, thresholds_in_force(tx))
            done = settle(tx, at, judged)
        alerts = (tuple(done.opened), tuple(done.seen_again), tuple(done.resolved))
        report = MonitorReport(at, tuple(judged), *alerts, past=done.past)
        attempt.result.update(**report.states, opened=len(done.opened), resolved=len(done.resolved))
    return report
