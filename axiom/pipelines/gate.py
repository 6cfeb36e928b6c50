"""The data-quality gate: what training and scoring ask before they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from axiom.sources.quality import QualityReport, check_quality

if TYPE_CHECKING:
    from datetime import datetime

    from axiom.pipelines.workspace import Workspace


def quality(ws: Workspace, as_of: datetime | None = None) -> QualityReport:
    """Judge freshness, completeness, missing values, duplicates, volume and sales of what silver holds.

    Args:
        ws: the workspace.
        as_of: freshness is measured from here; default: the last row.
    """
    return check_quality(ws.lake.snapshots(), as_of=as_of)


def pass_gate(ws: Workspace, as_of: datetime | None = None) -> tuple[str, ...]:
    """Let the work go on only over usable data; gives the warnings.

    Raises:
        QualityError: a check failed; the message says which and by how much.
    """
    report = quality(ws, as_of)
    report.require()
    return tuple(f"data quality: {check.message}" for check in report.checks if check.verdict == "warn")
