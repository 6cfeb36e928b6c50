"""Stage: Kaplan-Meier curves by segment, of the lake's customers or of a static table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from axiom.engine import open_engine
from axiom.errors import BadInputError, MisuseError, NotFoundError
from axiom.features.labels import data_end
from axiom.pipelines.build import BuildRequest, build, data_range, microseconds, midnight
from axiom.pipelines.survival import TableRequest, write_files
from axiom.pipelines.train import write_report
from axiom.telemetry import progress
from axiom.training.definition import ChurnDefinition
from axiom.training.survival_durations import DurationJob, bucket_durations
from axiom.training.survival_km import km_report, segments_of, to_json
from axiom.training.survival_plots import km_plot
from axiom.training.survival_table import read_survival_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from axiom.lake import Snapshot
    from axiom.pipelines.workspace import Workspace
    from axiom.training.survival_km import KmReport

CANCEL = ("cancel",)


@dataclass(frozen=True)
class KmRequest:
    """What curves are asked for.

    Attributes:
        by: column of the customers table, or a feature; "" for one curve.
        as_of: where the clock starts; None: when each customer started, or for features halfway through the data.
        silence: days without activity that make a churn, where churn is inactivity.
        definition: what churn means; None: what the data suggest.
        at: times at which the curves are told, in days.
        level: confidence level.
    """

    by: str = ""
    as_of: datetime | None = None
    silence: int = 90
    definition: ChurnDefinition | None = None
    at: tuple[float, ...] = ()
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.silence < 1:
            raise MisuseError(f"silence {self.silence} must be at least one day")


def km(ws: Workspace, request: KmRequest) -> tuple[KmReport, str]:
    """Kaplan-Meier curves of the customers in the lake, and the folder of the report below the lake's root.

    Segments must be known when the clock starts. A column of the customers table takes each customer's first value, and
    the clock starts with the customer; any feature (the lifecycle stage, say) takes its value at `as_of`, and so does
    the clock.

    Raises:
        NotFoundError: the lake holds nothing.
        BadInputError: `as_of` lies outside of the data, nobody is at risk, or nobody churned.
        MisuseError: no such column or feature.
    """
    snapshots = {entity: found for entity, found in ws.lake.snapshots().items() if found.rows}
    start, end = data_range(snapshots)
    definition = request.definition or _guess(ws, snapshots)
    attribute = request.by if request.by in _attributes(snapshots) else ""
    as_of = request.as_of
    if as_of is None and request.by and not attribute:
        as_of = midnight(start + (end - start) / 2)
    if as_of is not None and not start < as_of < end:
        raise BadInputError(
            f"the clock cannot start at {as_of:%Y-%m-%d}: the data run from {start:%Y-%m-%d} to {end:%Y-%m-%d}",
            hint="use an --as-of inside them, with time left to see who churns",
        )
    job = DurationJob(
        snapshots,
        definition,
        request.silence,
        _complete_to(snapshots, definition),
        None if as_of is None else microseconds(as_of),
        attribute,
        CANCEL,
    )
    segments = None
    if request.by and not attribute:
        assert as_of is not None  # noqa: S101 - set above
        segments = _feature(ws, request.by, as_of, snapshots)
    table = _durations(ws, job)
    segment = None
    if request.by:
        column = table["segment"] if attribute else _joined(table["customer_id"], *segments)  # type: ignore[misc]
        segment = segments_of(column, request.by)
    report = km_report(
        table["duration"].to_numpy(),
        table["event"].to_numpy(),
        segment,
        clock=_clock(definition, request.silence, as_of),
        unit="days",
        by=request.by,
        at=request.at,
        level=request.level,
        notes=_began_earlier(table, start) if as_of is None else (),
    )
    folder = write_report(ws, f"survival/km-{_stamp()}", {"report.json": to_json(report).encode()}, km_plot(report))
    return report, folder


def km_table(
    request: TableRequest, out: Path, *, by: str = "", at: tuple[float, ...] = (), level: float = 0.95
) -> KmReport:
    """Kaplan-Meier curves of a static table; writes `report.json` and the picture into `out`."""
    table, notes = read_survival_table(
        request.path, request.duration, request.event, positive=request.positive, drop=request.drop
    )
    if by and by not in table.X.column_names:
        raise MisuseError(f"{request.path} has no column {by!r}", hint=f"it has {', '.join(table.X.column_names[:20])}")
    report = km_report(
        table.duration,
        table.event,
        segments_of(table.X.column(by), by) if by else None,
        clock=f"{request.duration} to {request.event}",
        unit=request.duration,
        by=by,
        at=at,
        level=level,
        notes=tuple(note for note in notes if "left out" in note),
    )
    write_files(out, {"report.json": to_json(report).encode()}, km_plot(report))
    return report


def _guess(ws: Workspace, snapshots: Mapping[str, Snapshot]) -> ChurnDefinition:
    """Cancellations where there is any cancel event, else purchases, else events."""
    events = snapshots.get("events")
    if events is not None:
        for bucket in range(ws.lake.buckets):
            types = events.read(bucket, ["event_type"])["event_type"]
            if set(CANCEL) & set(types.unique().to_pylist()):
                return ChurnDefinition("cancellation")
    return ChurnDefinition("inactivity", "transactions" if "transactions" in snapshots else "events")


def _complete_to(snapshots: Mapping[str, Snapshot], definition: ChurnDefinition) -> int:
    """Up to when the data say whether somebody churned, in microseconds."""
    if definition.kind == "cancellation":
        needed: tuple[str, ...] = ("events",)
    else:
        needed = ("transactions", "events") if definition.activity == "any" else (definition.activity,)
    ends = [data_end(snapshots[entity].max_ts) for entity in needed if entity in snapshots]
    known = [end for end in ends if end is not None]
    if not known:
        raise NotFoundError(f"the lake holds no {' and no '.join(needed)}", hint="ingest them, or use another --churn")
    return min(known)


def _attributes(snapshots: Mapping[str, Snapshot]) -> tuple[str, ...]:
    own = {"customer_id", "valid_from", "signup_ts", "known_at"}
    columns = snapshots["customers"].columns if "customers" in snapshots else {}
    return tuple(name for name in columns if name not in own)


def _feature(ws: Workspace, by: str, as_of: datetime, snapshots: Mapping[str, Snapshot]) -> tuple[pa.Table, str]:
    """Customers and their value of a feature at a cut-off."""
    built = build(ws, BuildRequest(as_of=as_of, labels=False))
    features = ws.lake.dataset("features", built.features_id)
    if by not in features.manifest.schema or by in ("customer_id", "as_of"):
        attributes = _attributes(snapshots)
        raise MisuseError(
            f"there is no attribute and no feature {by!r}",
            hint=f"attributes: {', '.join(attributes) or 'none'}; features: lifecycle, or one of `axiom features show`",
        )
    return features.read(["customer_id", by]), by


def _joined(customers: pa.ChunkedArray, features: pa.Table, by: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    column, ids = features[by], features["customer_id"].cast(pa.string())
    place = pc.index_in(customers.cast(pa.string()), value_set=ids.combine_chunks())
    return (column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column).take(place)


def _durations(ws: Workspace, job: DurationJob) -> pa.Table:
    import pyarrow as pa

    buckets = range(ws.lake.buckets)
    with open_engine(ws.settings) as engine, progress("survival", total=len(buckets)) as bar:
        parts = engine.map_buckets(partial(bucket_durations, job), buckets, on_done=bar.advance)
    table = pa.concat_tables(parts)
    if not table.num_rows:
        raise BadInputError("nobody is at risk when the clock starts", hint="use another --as-of, --silence or --churn")
    return table


def _clock(definition: ChurnDefinition, silence: int, as_of: datetime | None) -> str:
    start = "start" if as_of is None else f"{as_of:%Y-%m-%d}"
    if definition.kind == "cancellation":
        return f"{start} to cancellation"
    what = {"transactions": "purchase", "events": "event", "any": "purchase or event"}[definition.activity]
    return f"{start} to the end of {silence} days without a {what}"


def _began_earlier(table: pa.Table, start: datetime) -> tuple[str, ...]:
    early = int((table["started"].to_numpy() < microseconds(start)).sum())
    if not early:
        return ()
    told = f"{early:,} of {table.num_rows:,} customers started before the data begin ({start:%Y-%m-%d})"
    why = "those who left before then are missing, so curves are too high"
    return (f"{told}: {why}; --as-of counts from a moment inside the data",)


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
