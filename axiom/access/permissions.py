"""What may be done here, and which role may do it: one table, read by keys, users, routes and the documentation."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from axiom.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PERMISSIONS: Mapping[str, str] = MappingProxyType(
    {
        "home.read": "see the home page with its demo statistics",
        "predict": "ask for churn and CLV predictions, one or many",
        "explain": "ask why: contributions, reasons, actions",
        "cache": "sync and clear the online store and the replicas' caches",
        "metrics": "read the metrics of the service",
        "dashboard.read": "see the dashboard, its summary and time lines",
        "customers.read": "see customers and their scores",
        "sources.read": "see data sources, their schema and ingests",
        "sources.write": "register, change, test and delete data sources",
        "features.read": "see feature sets",
        "features.write": "change feature sets",
        "models.read": "see models, versions, evaluations; download artefacts",
        "models.write": "promote and roll back models, set canary and shadow",
        "jobs.read": "see jobs and their logs",
        "jobs.run": "start, cancel and retry jobs",
        "pipelines.read": "see pipelines and their runs",
        "pipelines.run": "start, resume and cancel pipelines",
        "monitoring.read": "see drift, health and alerts",
        "monitoring.write": "change thresholds; mute and resolve alerts",
        "segments.read": "see segments",
        "segments.write": "save, change, delete and export segments",
        "experiments.read": "see experiments and their results",
        "experiments.write": "create, start and stop experiments",
        "campaigns.read": "see campaigns and policy simulations",
        "campaigns.write": "create and run campaigns",
        "users.read": "see users and their roles",
        "users.write": "create, change, lock and delete users",
        "keys.read": "see API keys",
        "keys.write": "create, rotate and revoke API keys",
        "audit.read": "read and verify the audit trail",
    }
)


def check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes, each once, in the order of the table.

    Raises:
        MisuseError: None given, or one that does not exist.
    """
    given = set(scopes)
    if unknown := sorted(given - PERMISSIONS.keys()):
        raise MisuseError(f"there is no scope {unknown[0]!r}", hint=f"scopes: {', '.join(PERMISSIONS)}")
    if not given:
        raise MisuseError("a key needs at least one scope", hint="for predictions: --scope predict")
    return tuple(name for name in PERMISSIONS if name in given)
