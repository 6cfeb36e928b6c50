"""Stage: put the features of one cut-off into the online store, where replicas find them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from axiom.errors import AxiomError, ConflictError, CorruptError, NotFoundError
from axiom.pipelines.build import moment_of
from axiom.scoring.online.store import GoneError, StoreInfo, open_store
from axiom.scoring.online.vectors import VectorLayout
from axiom.telemetry import progress
from axiom.training.catalogue.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from axiom.lake import Dataset
    from axiom.maths.arrays import FloatArray
    from axiom.pipelines.workspace import Workspace
    from axiom.scoring.online.store import OnlineStore

ROWS = 20_000
_KEYS = ("customer_id", "as_of")


@dataclass(frozen=True)
class OnlineReport:
    """What the online store holds after a publish.

    Attributes:
        place: folder or URL of the store.
        generation: name of the set of vectors.
        features_id: the features dataset they come from.
        feature_set: version of the feature set.
        fingerprint: of the layout.
        as_of: cut-off of the features.
        customers: how many vectors.
        features: length of a vector.
        published_at: when they became visible.
        already: whether these very vectors were there before.
        seconds: wall time.
    """

    place: str
    generation: str
    features_id: str
    feature_set: str
    fingerprint: str
    as_of: datetime
    customers: int
    features: int
    published_at: datetime
    already: bool
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True)
class OnlineStatus:
    """What the online store holds, and whether that is what it should.

    Attributes:
        place: folder or URL of the store.
        held: what it holds; None where it is empty.
        newest_scores: id of the newest score set; "" where there is none.
        current: whether it holds the features of the newest score set.
    """

    place: str
    held: OnlineReport | None
    newest_scores: str
    current: bool


@dataclass(frozen=True)
class ClearReport:
    """What was removed.

    Attributes:
        place: folder or URL of the store.
        customers: vectors that were visible.
    """

    place: str
    customers: int


def publish_features(ws: Workspace, features_id: str | None = None, as_of: datetime | None = None) -> OnlineReport:
    """Put one vector a customer into the online store, bucket by bucket. What is there already is not written again.

    Args:
        ws: the workspace.
        features_id: the features dataset; default: that of the newest score set (of the cut-off, where one is given).
        as_of: cut-off; default: that of the score set, or the last one of `features_id`.

    Raises:
        NotFoundError: nothing was scored, or there is no such dataset or cut-off.
        BadInputError: a feature is infinite, or nobody is a customer at the cut-off.
        ConflictError: somebody else is publishing.
        UnavailableError: Redis does not answer.
    """
    started = time.perf_counter()
    features, moment = _chosen(ws, features_id, as_of)
    with opened_store(ws) as store:
        visible = _readable(store)
        layout = layout_of(features, moment)
        wanted = StoreInfo.draft(layout, moment, features.manifest.id, customers=_customers(features))
        if visible is not None and visible.same_content(wanted) and _whole(store, visible):
            return _report(store, visible, already=True)
        with progress("publish", total=ws.lake.buckets) as bar:
            info = store.publish(wanted, batches_of(features, layout, moment, ws.lake.buckets, bar.advance))
        return _report(store, info, already=False, seconds=time.perf_counter() - started)


def clear_online(ws: Workspace) -> ClearReport:
    """Remove everything from the online store.

    Raises:
        ConflictError: somebody is publishing.
        UnavailableError: Redis does not answer.
    """
    with opened_store(ws) as store:
        return ClearReport(store.place, store.clear())


def online_status(ws: Workspace) -> OnlineStatus:
    """What the online store holds.

    Raises:
        UnavailableError: Redis does not answer.
        CorruptError: the store cannot be read.
    """
    newest = _newest_scores(ws, None)
    with opened_store(ws, readonly=True) as store:
        info = store.info()
        held = _report(store, info, already=True) if info else None
    current = held is not None and newest is not None and newest[1:] == (held.features_id, held.as_of)
    return OnlineStatus(store.place, held, newest[0] if newest else "", current)


def layout_of(features: Dataset, as_of: datetime) -> VectorLayout:
    """The layout of a features dataset at one cut-off: every feature that is a number or text, categories as found.

    The categories are read bucket by bucket, so no more than one bucket of the text columns is in memory.
    """
    import pyarrow as pa

    schema = features.storage.parquet(features.manifest.files[0].path).schema_arrow
    names = tuple(
        column.name for column in schema if column.name not in _KEYS and not pa.types.is_temporal(column.type)
    )
    texts = [name for name in names if _is_text(schema.field(name).type)]
    found: dict[str, set[str]] = {name: set() for name in texts}
    for bucket in sorted({file.bucket for file in features.manifest.files}) if texts else ():
        rows = _rows(features, texts, as_of, bucket)
        for name in texts:
            found[name].update(value for value in rows[name].unique().to_pylist() if value is not None)
    levels = {name: tuple(sorted(values)) for name, values in found.items()}
    return VectorLayout(Layout(names, levels), str(features.manifest.properties["feature_set_version"]))


def _chosen(ws: Workspace, features_id: str | None, as_of: datetime | None) -> tuple[Dataset, datetime]:
    if features_id is None:
        newest = _newest_scores(ws, as_of)
        if newest is None:
            raise NotFoundError(
                "nothing was scored" + (f" as of {as_of:%Y-%m-%d}" if as_of else ""),
                hint="run `axiom score`, or name a features dataset of `axiom features list`: "
                "axiom features publish --dataset ID",
            )
        features_id, as_of = newest[1:]
    features = ws.lake.dataset("features", features_id)
    there = [moment_of(value) for value in features.manifest.properties["as_ofs"]]
    moment = as_of.astimezone(UTC) if as_of else there[-1]
    if moment not in there:
        raise NotFoundError(
            f"features {features_id} have no cut-off {moment:%Y-%m-%d %H:%M}",
            hint=f"they have {', '.join(f'{value:%Y-%m-%d}' for value in there)}",
        )
    return features, moment


def _newest_scores(ws: Workspace, as_of: datetime | None) -> tuple[str, str, datetime] | None:
    """Id, features and cut-off of the newest score set."""
    for manifest in reversed(ws.lake.datasets("scores")):
        moment = datetime.fromisoformat(manifest.properties["as_of"])
        if as_of is None or moment == as_of:
            return manifest.id, str(manifest.properties["features"]), moment
    return None


def batches_of(
    features: Dataset, layout: VectorLayout, as_of: datetime, buckets: int, on_bucket: Callable[[], Any]
) -> Iterator[tuple[list[str], FloatArray]]:
    """Ids and vectors of the cut-off; one bucket of the features is in memory at a time."""
    for bucket in range(buckets):
        rows = _rows(features, ["customer_id", *layout.layout.names], as_of, bucket)
        for start in range(0, rows.num_rows, ROWS):
            some = rows.slice(start, ROWS)
            yield some["customer_id"].to_pylist(), layout.layout.matrix(some).copy(order="C")
        on_bucket()


def _rows(features: Dataset, columns: Sequence[str], as_of: datetime, bucket: int) -> pa.Table:
    import pyarrow.dataset as pads

    return features.read(columns, bucket=bucket, row_filter=pads.field("as_of") == as_of)


def _customers(features: Dataset) -> int:
    """About how many rows one cut-off has."""
    return -(-features.manifest.rows // len(features.manifest.properties["as_ofs"]))


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


@contextmanager
def opened_store(ws: Workspace, *, readonly: bool = False) -> Iterator[OnlineStore]:
    """The online store of a workspace, closed at the end."""
    store = open_store(ws.settings, readonly=readonly)
    try:
        yield store
    finally:
        store.close()


def _whole(store: OnlineStore, info: StoreInfo) -> bool:
    """Whether the visible generation is really all there."""
    try:
        return store.count(info.generation) == info.customers
    except (GoneError, CorruptError):
        return False
    except ConflictError:
        return True  # a reader of this very process has it open


def _readable(store: OnlineStore) -> StoreInfo | None:
    """What the store holds; None also where that cannot be read, which publishing sets right."""
    try:
        return store.info()
    except CorruptError:
        return None


def _report(store: OnlineStore, info: StoreInfo, *, already: bool, seconds: float = 0.0) -> OnlineReport:
    return OnlineReport(
        place=store.place,
        generation=info.generation,
        features_id=info.features_id,
        feature_set=info.layout.feature_set,
        fingerprint=info.layout.fingerprint,
        as_of=info.as_of,
        customers=info.customers,
        features=info.layout.width,
        published_at=info.published_at,
        already=already,
        seconds=seconds,
    )


def try_to_publish(ws: Workspace, features_id: str, as_of: datetime) -> tuple[OnlineReport | None, tuple[str, ...]]:
    """`publish_features` after work that stands by itself: a failure becomes a warning."""
    try:
        return publish_features(ws, features_id, as_of), ()
    except AxiomError as error:
        return None, (f"the online store was not filled: {error.message}; later: `axiom online sync`",)
