"""Stage: build gold features and labels at one or more cut-offs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from axiom.engine import open_engine
from axiom.errors import BadInputError, MisuseError, NotFoundError
from axiom.features.audit import audit_bucket, audited_buckets
from axiom.features.audit_report import audit_report
from axiom.features.build import BuildJob, build_bucket
from axiom.features.defaults import common_event_types, default_feature_set
from axiom.features.labels import LabelSpec, data_end
from axiom.features.plan import compile_plan
from axiom.features.reader import read_feature_set
from axiom.pipelines.tracking import tracked
from axiom.telemetry import progress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from axiom.engine import Engine
    from axiom.features.audit_report import AuditReport
    from axiom.features.definitions import FeatureSet
    from axiom.lake import Manifest, Snapshot
    from axiom.pipelines.workspace import Workspace

DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HORIZONS = (30, 60, 90, 180, 365)


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    Attributes:
        as_of: the latest cut-off; None: the last day of the data.
        every: days between cut-offs.
        back: how many earlier cut-offs.
        horizons: days ahead that labels look.
        feature_set: YAML file; None: `features.yaml` in AXIOM_HOME where there is one, else the defaults for the data.
        definitions: a feature set as it is, instead of a file: what a registered model was trained on.
        cancel_types: event types that end a contract.
        labels: whether labels are built as well.
        audit: whether features that feel the future are refused before they become visible.
    """

    as_of: datetime | None = None
    every: int = 30
    back: int = 0
    horizons: tuple[int, ...] = HORIZONS
    feature_set: Path | None = None
    definitions: FeatureSet | None = None
    cancel_types: tuple[str, ...] = ("cancel",)
    labels: bool = True
    audit: bool = True

    def __post_init__(self) -> None:
        if self.every < 1 or self.back < 0:
            raise MisuseError(f"cut-offs every {self.every} days, {self.back} back", hint="like --every 30d --back 5")
        if self.labels and (not self.horizons or min(self.horizons) < 1):
            raise MisuseError(f"horizons {list(self.horizons)} must be positive numbers of days")


@dataclass(frozen=True)
class BuildReport:
    """What a build made.

    Attributes:
        features_id: id of the features dataset.
        labels_id: id of the labels dataset; "" where none was asked for.
        as_ofs: cut-offs, earliest first.
        feature_set: name of the feature set.
        version: its version.
        columns: number of declared feature columns.
        rows: customers over all cut-offs.
        already: whether both datasets were there before.
        audit: what the leakage audit said, in lines for people; empty where none was made.
        seconds: wall time without the start of the engine.
        engine_seconds: wall time that the engine took to start.
    """

    features_id: str
    labels_id: str
    as_ofs: tuple[datetime, ...]
    feature_set: str
    version: str
    columns: int
    rows: int
    already: bool
    audit: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)
    engine_seconds: float = field(default=0.0, compare=False)


def build(ws: Workspace, request: BuildRequest) -> BuildReport:
    """Build features, and labels, of every customer at every cut-off. What exists already is not built again.

    Raises:
        NotFoundError: nothing was ingested.
        BadInputError: a cut-off lies before the data, or a feature does not fit them.
        MisuseError: the feature set cannot be read.
    """
    job = plan_job(ws, request)
    existing = job.features_writer().committed(), job.labels_writer().committed() if job.labels else None
    if existing[0] is not None and (existing[1] is not None or job.labels is None):
        return _report(job, existing[0], already=True)
    return _run(ws, job, audited=request.audit)


def audit(ws: Workspace, request: BuildRequest) -> AuditReport:
    """Audit the features of a request for leakage: a line per feature, and proof by altering the future.

    Builds nothing. `AuditReport.require` raises QualityError where a feature feels the future.
    """
    job = plan_job(ws, request)
    buckets = audited_buckets(job)
    with open_engine(ws.settings) as engine, progress("audit", total=len(buckets)) as bar:
        return audit_report(job.plan, engine.map_buckets(partial(audit_bucket, job), buckets, on_done=bar.advance))


def plan_job(ws: Workspace, request: BuildRequest) -> BuildJob:
    """Settle cut-offs, feature set and labels; computes nothing yet."""
    snapshots = {entity: snapshot for entity, snapshot in ws.lake.snapshots().items() if snapshot.rows}
    as_ofs = cutoffs(snapshots, request)
    feature_set = request.definitions or feature_set_of(ws, snapshots, request.feature_set)
    plan = compile_plan(feature_set, schema_of(snapshots))
    spec = LabelSpec(
        horizons=request.horizons,
        cancel_types=request.cancel_types,
        transactions_end=_end(snapshots, "transactions"),
        events_end=_end(snapshots, "events"),
    )
    return BuildJob(ws.lake, plan, snapshots, as_ofs, spec if request.labels else None)


def schema_of(snapshots: Mapping[str, Snapshot]) -> dict[str, dict[str, str]]:
    """Entity -> column -> type of everything that holds rows."""
    return {entity: snapshot.columns for entity, snapshot in snapshots.items()}


def feature_set_of(ws: Workspace, snapshots: Mapping[str, Snapshot], path: Path | None) -> FeatureSet:
    """The user's feature set, or the defaults for what the lake holds."""
    types = common_event_types(snapshots["events"], ws.lake.buckets) if "events" in snapshots else ()
    defaults = default_feature_set(schema_of(snapshots), types)
    own = ws.settings.home / "features.yaml"
    chosen = path or (own if own.exists() else None)
    if chosen is None:
        return defaults
    try:
        text = chosen.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MisuseError(f"the feature set {chosen} cannot be read: {error}") from None
    return read_feature_set(text, source=str(chosen), base=defaults)


def cutoffs(snapshots: Mapping[str, Snapshot], request: BuildRequest) -> tuple[int, ...]:
    """Cut-offs in microseconds, ascending.

    Raises:
        NotFoundError: nothing was ingested.
        BadInputError: one of them lies at or before the first row.
    """
    start, end = data_range(snapshots)
    latest = request.as_of or midnight(end)
    times = [latest - request.every * DAY * k for k in range(request.back, -1, -1)]
    if times[0] <= start:
        steps = max(int((latest - start) / (request.every * DAY)), 0)
        hint = f"use --back {steps}" if latest > start + DAY else f"use a later --as-of, up to {midnight(end):%Y-%m-%d}"
        raise BadInputError(
            f"the cut-off {times[0]:%Y-%m-%d} lies before the data, which begin {start:%Y-%m-%d}", hint=hint
        )
    return tuple(microseconds(moment) for moment in times)


def data_range(snapshots: Mapping[str, Snapshot]) -> tuple[datetime, datetime]:
    """Time of the first and the last transaction or event.

    Raises:
        NotFoundError: there is none.
    """
    starts, ends = [], []
    for entity in ("transactions", "events"):
        snapshot = snapshots.get(entity)
        if snapshot is not None and snapshot.min_ts is not None and snapshot.max_ts is not None:
            starts.append(snapshot.min_ts)
            ends.append(snapshot.max_ts)
    if not starts:
        raise NotFoundError("the lake holds no transactions and no events", hint="run `axiom ingest` first")
    return moment_of(min(starts)), moment_of(max(ends))


def midnight(moment: datetime) -> datetime:
    """The start of its day, UTC."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment_of(value: int) -> datetime:
    """The time of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=value)


def _end(snapshots: Mapping[str, Snapshot], entity: str) -> int | None:
    return data_end(snapshots[entity].max_ts) if entity in snapshots else None


def _run(ws: Workspace, job: BuildJob, *, audited: bool) -> BuildReport:
    buckets = range(ws.lake.buckets)
    params: dict[str, Any] = {"as_ofs": list(job.as_ofs), "feature_set": job.plan.feature_set.version}
    key = f"{job.features_id}+{job.labels_id if job.labels else ''}"
    started = time.perf_counter()
    with (
        tracked(ws.db, "build", key, params, total=len(buckets)) as attempt,
        open_engine(ws.settings) as engine,
        progress("build", total=len(buckets)) as bar,
    ):
        ready = time.perf_counter()

        def on_done() -> None:
            attempt.advance()
            bar.advance()

        built = engine.map_buckets(partial(build_bucket, job), buckets, on_done=on_done)
        told = _audited(job, engine) if audited else ()
        if job.labels is not None:
            job.labels_writer().commit(one.labels for one in built if one.labels is not None)
        manifest = job.features_writer().commit((one.features for one in built), audit=list(told))
        attempt.result.update(features=job.features_id, rows=manifest.rows)
    return _report(job, manifest, already=False, seconds=time.perf_counter() - ready, engine_seconds=ready - started)


def _audited(job: BuildJob, engine: Engine) -> tuple[str, ...]:
    """The verdict in lines; QualityError where a feature feels the future, before any reader can see it."""
    report = audit_report(job.plan, engine.map_buckets(partial(audit_bucket, job), audited_buckets(job)))
    report.require()
    return tuple(report.summary())


def _report(
    job: BuildJob, manifest: Manifest, *, already: bool, seconds: float = 0.0, engine_seconds: float = 0.0
) -> BuildReport:
    return BuildReport(
        features_id=job.features_id,
        labels_id=job.labels_id if job.labels is not None else "",
        as_ofs=tuple(moment_of(as_of) for as_of in job.as_ofs),
        feature_set=job.plan.feature_set.name,
        version=job.plan.feature_set.version,
        columns=len(job.plan.columns),
        rows=manifest.rows,
        already=already,
        audit=tuple(manifest.properties.get("audit", ())),
        seconds=seconds,
        engine_seconds=engine_seconds,
    )
