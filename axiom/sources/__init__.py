"""Sources: files and SQL tables become bronze, silver and quarantine; every row is accounted for."""

from axiom.sources.ingest import IngestPlan, ingest, plan_ingest
from axiom.sources.request import (
    Drift,
    FileSource,
    IngestReport,
    IngestRequest,
    MappedColumn,
    Progress,
    SourceColumn,
    SqlSource,
)

__all__ = [
    "Drift",
    "FileSource",
    "IngestPlan",
    "IngestReport",
    "IngestRequest",
    "MappedColumn",
    "Progress",
    "SourceColumn",
    "SqlSource",
    "ingest",
    "plan_ingest",
]
