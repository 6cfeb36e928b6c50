"""Building gold: immutable datasets, resumable, comparable."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from axiom.engine import InlineEngine
from axiom.errors import MisuseError
from axiom.features.audit import audit_bucket, audited_buckets
from axiom.features.audit_report import audit_report
from axiom.features.build import BuildJob, build_bucket
from axiom.features.defaults import common_event_types, default_feature_set
from axiom.features.diff import diff_features
from axiom.features.kernel import compute
from axiom.features.labels import LabelSpec, data_end
from axiom.features.plan import compile_plan
from axiom.features.reader import read_feature_set

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.lake import Dataset


def company(oracle: Any, customers: int = 30) -> dict[str, pa.Table]:
    rows = [
        {
            "customer_id": f"c{c:02}'\n",
            "txn_ts": (c + 3 * i) * oracle.day,
            "known_at": (c + 3 * i + i % 2) * oracle.day,
            "amount": 10.0 + c,
            "transaction_id": f"{c}-{i}",
        }
        for c in range(customers)
        for i in range(c % 5 + 1)
    ]
    events = [
        {"customer_id": f"c{c:02}'\n", "event_ts": c * oracle.day, "event_type": kind, "value": 0.5, "known_at": None}
        for c in range(customers)
        for kind in ("login", "support_ticket", "onboarding_step", *["view"] * 20)
    ]
    events.append({"customer_id": "c00'\n", "event_ts": 40 * oracle.day, "event_type": "rare", "value": None})
    return oracle.tables({"transactions": rows, "events": events})


def job_of(oracle: Any, root: Path, text: str = "", **changes: Any) -> BuildJob:
    lake = oracle.lake(root, company(oracle))
    snapshots = {entity: found for entity, found in lake.snapshots().items() if found.rows}
    schema = {entity: found.columns for entity, found in snapshots.items()}
    defaults = default_feature_set(schema, common_event_types(snapshots["events"], lake.buckets))
    feature_set = read_feature_set(text, base=defaults) if text else defaults
    ends = [data_end(snapshots[entity].max_ts) for entity in ("transactions", "events")]
    spec = LabelSpec((7, 30), transactions_end=ends[0], events_end=ends[1])
    as_ofs = (10 * oracle.day, 20 * oracle.day)
    return replace(BuildJob(lake, compile_plan(feature_set, schema), snapshots, as_ofs, spec), **changes)


def build(job: BuildJob) -> tuple[Dataset, Dataset]:
    built = InlineEngine().map_buckets(partial(build_bucket, pickle.loads(pickle.dumps(job))), range(job.lake.buckets))
    job.labels_writer().commit(one.labels for one in built if one.labels is not None)
    job.features_writer().commit(one.features for one in built)
    return job.lake.dataset("features", job.features_id), job.lake.dataset("labels", job.labels_id)


def test_a_build_gives_the_rows_of_the_kernel_bucket_by_bucket(oracle: Any, tmp_path: Path) -> None:
    job = job_of(oracle, tmp_path)
    features, labels = build(job)
    order = [("as_of", "ascending"), ("customer_id", "ascending")]
    whole = compute(job.plan, company(oracle), job.as_ofs)
    assert features.read().sort_by(order).equals(whole)
    assert features.read(["customer_id", "as_of"]).equals(labels.read(["customer_id", "as_of"]))
    assert features.manifest.properties["feature_set_version"] == job.plan.feature_set.version
    assert features.manifest.inputs == job.inputs


def test_each_cutoff_is_a_row_group_of_its_own(oracle: Any, tmp_path: Path) -> None:
    job = job_of(oracle, tmp_path)
    features, _ = build(job)
    file = pq.ParquetFile(features.paths[0])
    groups = [set(file.read_row_group(i, ["as_of"])["as_of"].to_pylist()) for i in range(file.num_row_groups)]
    assert [len(times) for times in groups] == [1, 1]


def test_parts_that_a_killed_run_finished_are_kept(oracle: Any, tmp_path: Path) -> None:
    job = job_of(oracle, tmp_path)
    first = build_bucket(job, 1)
    before = job.lake.storage.read(first.features.path)
    assert build_bucket(job, 1) == first
    build(job)
    assert job.lake.storage.read(first.features.path) == before


def test_the_id_follows_definitions_data_cutoffs_and_labels(oracle: Any, tmp_path: Path) -> None:
    job = job_of(oracle, tmp_path)
    assert job_of(oracle, tmp_path).features_id == job.features_id
    later = replace(job, as_ofs=(30 * oracle.day,))
    wider = replace(job, labels=replace(job.labels, horizons=(14,)))
    other = job_of(oracle, tmp_path, "name: x\nextends: default\nfeatures: []")
    staged = job_of(
        oracle, tmp_path, "name: default\nextends: default\nlifecycle: [{name: all, window: 7, horizon: 7}]"
    )
    assert len({j.features_id for j in (job, later, other, staged)}) == 4
    assert wider.features_id == job.features_id
    assert len({j.labels_id for j in (job, later, wider, staged)}) == 4
    assert other.labels_id == job.labels_id
    oracle.lake(tmp_path, company(oracle, 5), batch="b2")
    grown = {entity: found for entity, found in job.lake.snapshots().items() if found.rows}
    assert replace(job, snapshots=grown).features_id != job.features_id


def test_defaults_follow_what_the_lake_holds(oracle: Any, tmp_path: Path) -> None:
    names = {column.name for column in job_of(oracle, tmp_path).plan.columns}
    assert {"txn_amount_sum_90d", "evt_login_days_to_first", "evt_support_ticket_value_mean_90d"} <= names
    assert {"onboarding_share", "evt_view_count_30d", "tenure"} <= names
    assert not any("rare" in name for name in names)


def test_the_audit_of_a_build_passes_on_honest_features(oracle: Any, tmp_path: Path) -> None:
    job = job_of(oracle, tmp_path)
    buckets = audited_buckets(job)
    assert len(buckets) == 2
    report = audit_report(job.plan, [audit_bucket(job, bucket) for bucket in buckets])
    report.require()
    assert report.customers > 0


def test_the_difference_of_two_versions_names_columns_and_counts_changes(oracle: Any, tmp_path: Path) -> None:
    count = "  - {kind: count, entity: transactions, windows: 30, name: n}\n"
    first, _ = build(job_of(oracle, tmp_path, "name: a\nfeatures:\n  - {kind: tenure}\n" + count))
    since = "  - {kind: days_since_last, entity: transactions}"
    second, _ = build(job_of(oracle, tmp_path, "name: b\nfeatures:\n" + count + since))
    lines = {line["feature"]: line for line in diff_features(first, second).to_pylist()}
    assert lines["tenure"]["where"] == "first"
    assert lines["txn_days_since_last"]["where"] == "second"
    assert (lines["n_30d"]["where"], lines["n_30d"]["changed"], lines["n_30d"]["largest"]) == ("both", 0, 0.0)
    assert lines["n_30d"]["rows"] == first.manifest.rows
    assert lines["n_30d"]["mean_first"] == lines["n_30d"]["mean_second"] > 1
    assert lines["lifecycle"]["changed"] == 0


def test_changed_values_are_counted_with_nulls_as_values(oracle: Any, tmp_path: Path) -> None:
    text = "name: NAME\nfeatures:\n  - kind: sql\n    name: q\n    query: select customer_id, {} v from transactions"
    queries = ["min(amount)", "case when min(amount) > 12 then min(amount) + 1 end"]
    sides = [
        build(job_of(oracle, tmp_path, text.replace("NAME", name).format(query) + " group by 1"))[0]
        for name, query in zip("ab", queries, strict=True)
    ]
    (line,) = [line for line in diff_features(*sides).to_pylist() if line["feature"] == "v"]
    values = [row for row in sides[0].read(["v"]).to_pylist() if row["v"] is not None]
    assert (line["changed"], line["largest"]) == (len(values), 1.0)


def test_datasets_without_a_common_row_are_not_compared(oracle: Any, tmp_path: Path) -> None:
    job = job_of(oracle, tmp_path)
    first, _ = build(job)
    second, _ = build(replace(job, as_ofs=(15 * oracle.day,)))
    with pytest.raises(MisuseError, match="no customer at a common cut-off"):
        diff_features(first, second)


@pytest.mark.parametrize(("last", "end"), [(None, None), (0, 86_400_000_000), (5, 6)])
def test_data_end_with_the_day_of_a_date_and_with_the_row_of_a_time(last: int | None, end: int | None) -> None:
    assert data_end(last) == end
