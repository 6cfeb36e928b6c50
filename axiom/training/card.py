"""The fields of the registry's model card that training knows, as JSON-ready values."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.maths.intervals import MetricValue
    from axiom.training.churn_report import ChurnReport
    from axiom.training.table import ChurnTable

_PACKAGES = ("numpy", "scipy", "scikit-learn", "lightgbm", "pyarrow")


def card_fields(table: ChurnTable, report: ChurnReport) -> dict[str, Any]:
    """The card of the champion: windows, data hash, rows, metrics with intervals, calibration, baselines, environment.

    A static table has no cut-offs, so its `train_as_ofs` is empty.
    """
    champion = report.model(report.champion)
    return {
        "kind": "churn",
        "model_type": report.champion,
        "training_window": {
            "horizon_days": int(report.horizon_days) if report.horizon_days.is_integer() else report.horizon_days,
            "train_as_ofs": report.windows["training"],
            "calibration_as_ofs": report.windows["calibration"],
            "holdout_as_ofs": report.windows["holdout"],
        },
        "data_hash": table.data_hash(),
        "rows": report.rows,
        "metrics": metric_fields(champion.metrics, report.level),
        "calibration": {"method": champion.calibration},
        "baselines": {
            score.name: metric_fields(score.metrics, report.level)
            for score in report.models
            if score.name != champion.name
        },
        "environment": environment(),
        "notes": "\n".join((report.verdict, *report.warnings)),
    }


def metric_fields(metrics: Mapping[str, MetricValue | None], level: float) -> dict[str, dict[str, float | None]]:
    """Metrics as the card writes them."""
    return {
        name: {"value": None, "low": None, "high": None, "level": level}
        if metric is None
        else {"value": metric.value, "low": metric.low, "high": metric.high, "level": level}
        for name, metric in metrics.items()
    }


def environment() -> dict[str, Any]:
    """Versions of Python and of the packages that made the model."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "packages": found}
