"""Features go online bucket by bucket, and verify proves that they are the same there."""

from __future__ import annotations

import decimal
import math
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from axiom.errors import BadInputError, CorruptError, NotFoundError, UnavailableError
from axiom.lake.buckets import bucket_of
from axiom.pipelines.build import microseconds
from axiom.pipelines.online import clear_online, layout_of, online_status, publish_features
from axiom.pipelines.online_verify import verify_online
from axiom.pipelines.workspace import create, opened
from axiom.scoring.online.store import open_store
from axiom.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from axiom.pipelines.workspace import Workspace

EARLY, LATE = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)
IDS = ["C1", 'O\'Neil "Bob"; --', "naïve ☃", "x" * 600, *(f"K{k}" for k in range(40))]


def rows(ids: list[str], as_of: datetime) -> pa.Table:
    """Every type that a feature may have, missing values in each; no two customers alike."""
    n = len(ids)
    number = [float(IDS.index(name)) for name in ids]
    late = as_of == LATE
    gap = [k % 3 == 0 for k in range(n)]
    return pa.table(
        {
            "customer_id": ids,
            "as_of": pa.array([as_of] * n, pa.timestamp("us", "UTC")),
            "x": pa.array([int(v) for v in number], pa.int64(), mask=np.array(gap)),
            "spend": pa.array([v / 3 if not g else math.nan for v, g in zip(number, gap, strict=True)]),
            "tiny": pa.array([-0.0] * n),
            "active": pa.array([g if k % 2 else None for k, g in enumerate(gap)], pa.bool_()),
            "price": pa.array([decimal.Decimal("1.25") * (k + 1) for k in range(n)], pa.decimal128(10, 2)),
            "channel": pa.array([None if g else ("web" if late else "fax") for g in gap]),
            "stage": pa.array([("new", "old")[k % 2] for k in range(n)]).dictionary_encode(),
            "last_seen": pa.array([as_of - timedelta(days=1)] * n, pa.timestamp("us", "UTC")),
        }
    )


def commit(ws: Workspace, name: str, tables: dict[int, pa.Table]) -> None:
    writer = ws.lake.writer(
        "features",
        name,
        properties={
            "as_ofs": [microseconds(t) for t in (EARLY, LATE)],
            "feature_set_version": "v1",
            "feature_set": "t",
        },
    )
    writer.commit([writer.write(f"bucket-{b:04}.parquet", table, bucket=b) for b, table in tables.items()])


def commit_scores(ws: Workspace, name: str, features: str, as_of: datetime) -> None:
    writer = ws.lake.writer("scores", name, properties={"as_of": as_of.isoformat(), "features": features, "models": {}})
    writer.commit([])


@pytest.fixture(params=["lmdb", "redis"])
def ws(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    """A lake with one features dataset of two cut-offs, before an online store on LMDB and on Redis."""
    url = None
    if request.param == "redis":
        place = request.getfixturevalue("redis_url")
        import redis

        with redis.Redis.from_url(place) as client:
            client.flushall()
        url = f"{place}?socket_timeout=20"
    settings = Settings(home=tmp_path / "home", engine="inline", buckets=4, redis_url=url)
    create(settings)
    with opened(settings) as made:
        parts = {b: [name for name in IDS if bucket_of(name, 4) == b] for b in range(4)}
        commit(made, "f1", {b: pa.concat_tables([rows(ids, EARLY), rows(ids, LATE)]) for b, ids in parts.items()})
        yield made


def online(ws: Workspace, customer_id: str) -> Any:
    store = open_store(ws.settings)
    info = store.info()
    assert info
    vector = store.get(info.generation, customer_id)
    store.close()
    return vector


def test_every_customer_of_the_cut_off_is_there_with_every_feature(ws: Workspace) -> None:
    report = publish_features(ws, "f1")
    assert (report.customers, report.features, report.as_of, report.already) == (len(IDS), 7, LATE, False)
    layout = layout_of(ws.lake.dataset("features", "f1"), LATE)
    assert layout.layout.names == ("x", "spend", "tiny", "active", "price", "channel", "stage")
    assert layout.layout.levels == {"channel": ("web",), "stage": ("new", "old")}, "of this cut-off alone"
    assert layout.feature_set == "v1"
    table = rows([name for name in IDS if bucket_of(name, 4) == bucket_of("naïve ☃", 4)], LATE)
    (row,) = (row for row in table.to_pylist() if row["customer_id"] == "naïve ☃")
    expected = [math.nan if row[k] is None else row[k] for k in ("x", "spend", "tiny", "active", "price")]
    expected += [math.nan if row["channel"] is None else 0.0, ("new", "old").index(row["stage"])]
    np.testing.assert_array_equal(online(ws, "naïve ☃"), np.array(expected, dtype=float))


def test_verify_finds_no_difference_after_a_publish(ws: Workspace) -> None:
    for as_of in (EARLY, LATE):
        publish_features(ws, "f1", as_of)
        report = verify_online(ws)
        report.require()
        assert (report.compared, report.missing, report.extra, report.corrupt) == (len(IDS), 0, 0, 0)
        assert (report.different, report.max_difference, report.as_of) == (0, 0.0, as_of)


def republish(ws: Workspace, change: Any) -> None:
    """Publish under the same name what `change` makes of ids and vectors."""
    store = open_store(ws.settings)
    info = store.info()
    assert info
    ids = sorted(store.ids(info.generation))
    vectors = np.array(store.get_many(info.generation, ids))
    store.publish(info, [change(ids, vectors)])
    store.close()


@pytest.mark.parametrize(
    ("feature", "value", "gap"),
    [("spend", 1e-9, None), ("tiny", 0.0, 0.0), ("price", math.nan, math.inf), ("x", 7.0, math.inf)],
)
def test_verify_finds_one_altered_number(ws: Workspace, feature: str, value: float, gap: float | None) -> None:
    publish_features(ws, "f1")
    names = layout_of(ws.lake.dataset("features", "f1"), LATE).layout.names
    j = names.index(feature)
    victim = next(name for name in IDS if np.isnan(online(ws, name)[names.index("x")]) == (feature == "x"))
    before = float(online(ws, victim)[j])

    def alter(ids: list[str], vectors: Any) -> Any:
        vectors[ids.index(victim), j] = value
        return ids, vectors

    republish(ws, alter)
    report = verify_online(ws)
    assert (report.different, report.compared) == (1, len(IDS))
    assert report.max_difference == (abs(before - value) if gap is None else gap)
    (example,) = report.examples
    assert (example.customer_id, example.feature) == (victim, feature)
    with pytest.raises(CorruptError, match="1 vectors differ") as refused:
        report.require()
    assert "axiom online sync" in refused.value.hint


def test_verify_counts_missing_and_extra_customers(ws: Workspace) -> None:
    publish_features(ws, "f1")
    republish(ws, lambda ids, vectors: (["nobody", "no one", *ids[1:]], np.vstack([vectors[:1], vectors])))
    report = verify_online(ws)
    assert (report.missing, report.extra, report.different, report.compared) == (1, 2, 0, len(IDS) - 1)
    with pytest.raises(CorruptError, match="1 are missing, 2 too many"):
        report.require()


def test_verify_refuses_another_layout(ws: Workspace) -> None:
    publish_features(ws, "f1")
    store = open_store(ws.settings)
    info = store.info()
    assert info
    vectors = np.array(store.get_many(info.generation, IDS))
    store.publish(replace(info, layout=replace(info.layout, feature_set="v2")), [(IDS, vectors)])
    store.close()
    with pytest.raises(CorruptError, match="layout"):
        verify_online(ws)


def test_publishing_what_is_there_changes_nothing(ws: Workspace) -> None:
    first = publish_features(ws, "f1")
    again = publish_features(ws, "f1", LATE)
    assert (first.already, again.already) == (False, True)
    assert again.generation == first.generation
    earlier = publish_features(ws, "f1", EARLY)
    assert not earlier.already
    assert earlier.fingerprint != first.fingerprint, "another category"


def test_publishing_again_mends_a_store_that_lost_its_vectors(ws: Workspace) -> None:
    first = publish_features(ws, "f1")
    if ws.settings.redis_url is None:
        shutil.rmtree(ws.settings.home / "online" / first.generation)
    else:
        import redis

        with redis.Redis.from_url(ws.settings.redis_url) as client:
            client.delete(*[key for key in client.keys("axiom:online:*") if key[-2:].isdigit()])
    again = publish_features(ws, "f1")
    assert not again.already
    assert verify_online(ws).compared == len(IDS)


def test_by_default_the_features_of_the_newest_scores_are_taken(ws: Workspace) -> None:
    with pytest.raises(NotFoundError, match="nothing was scored") as refused:
        publish_features(ws)
    assert "axiom score" in refused.value.hint
    assert online_status(ws).held is None
    commit_scores(ws, "s1", "f1", LATE)
    commit_scores(ws, "s2", "f1", EARLY)
    report = publish_features(ws)
    assert (report.features_id, report.as_of) == ("f1", EARLY)
    status = online_status(ws)
    assert (status.held, status.newest_scores, status.current) == (replace(report, already=True), "s2", True)
    assert publish_features(ws, as_of=LATE).as_of == LATE
    assert not online_status(ws).current
    with pytest.raises(NotFoundError, match="nothing was scored as of 2023-01-01"):
        publish_features(ws, as_of=datetime(2023, 1, 1, tzinfo=UTC))


def test_a_dataset_or_a_cut_off_that_is_not_there_is_named(ws: Workspace) -> None:
    with pytest.raises(NotFoundError, match="'nope'"):
        publish_features(ws, "nope")
    with pytest.raises(NotFoundError, match="no cut-off 2024-03-01") as refused:
        publish_features(ws, "f1", datetime(2024, 3, 1, tzinfo=UTC))
    assert refused.value.hint == "they have 2024-01-01, 2024-02-01"


def test_features_that_are_no_numbers_leave_what_was_visible(ws: Workspace) -> None:
    before = publish_features(ws, "f1")
    bad = rows(IDS[:2], LATE).set_column(3, "spend", pa.array([1.0, math.inf]))
    commit(ws, "f2", {0: bad})
    with pytest.raises(BadInputError, match="infinite"):
        publish_features(ws, "f2", LATE)
    commit(ws, "f3", {0: rows(IDS[:2], EARLY)})
    with pytest.raises(BadInputError, match="no vector as of 2024-02-01"):
        publish_features(ws, "f3", LATE)
    assert online_status(ws).held == replace(before, already=True)


def test_clearing_says_how_many(ws: Workspace) -> None:
    publish_features(ws, "f1")
    assert clear_online(ws).customers == len(IDS)
    assert clear_online(ws).customers == 0
    with pytest.raises(NotFoundError, match="is empty"):
        verify_online(ws)


def test_a_redis_that_is_away_is_unavailable(ws: Workspace) -> None:
    away = replace(ws, settings=ws.settings.model_copy(update={"redis_url": "redis://:hunter2@127.0.0.1:1"}))
    for call in (lambda: publish_features(away, "f1"), lambda: verify_online(away), lambda: clear_online(away)):
        with pytest.raises(UnavailableError, match=r"redis://:\*\*\*@127\.0\.0\.1:1 does not answer"):
            call()
