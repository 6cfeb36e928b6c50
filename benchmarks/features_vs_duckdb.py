"""Feature kernel against one bare DuckDB process and pandas, on the same Parquet files, in one run.

    python benchmarks/features_vs_duckdb.py [--quick] [--ray] [--late 0.0] [--cutoffs 3 24]

Writes a synthetic lake (10,000 customers with 1,400 events each; --quick: 1,000 customers), then lets every side read
the files and compute the same 29 features of every customer at every cut-off:

- kernel, 1 core: read and compute, bucket after bucket in this process; and the share of it that is computing;
- kernel on Ray (--ray): `axiom build` with two workers, writing gold; starting Ray is reported apart;
- DuckDB, 1 and 2 threads: the same features as SQL, one statement per cut-off that scans no more than it needs;
- pandas: at the first number of cut-offs only.

The values of kernel and DuckDB are compared before any time is reported.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from axiom.features.build import BuildJob, build_bucket
from axiom.features.definitions import Feature, FeatureSet, Filter
from axiom.features.kernel import compute
from axiom.features.plan import Column, Plan, compile_plan
from axiom.features.sql_measures import days_between, expression, utc
from axiom.lake import FileEntry, Lake, Manifest, Storage, buckets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DAY = 86_400_000_000
DAYS = 720
BUCKETS = 16
LONGEST = 90
TYPES = (
    "login",
    "view",
    "click",
    "search",
    "purchase",
    "support_ticket",
    "open",
    "share",
    "like",
    "add",
    "rate",
    "play",
)


def of_type(name: str) -> tuple[Filter, ...]:
    return (Filter("event_type", "in", (name,)),)


FEATURES = FeatureSet(
    "benchmark",
    (
        Feature("count", "events", windows=(7, 14, 30, 60, 90)),
        Feature("count", "events", windows=(30,), lag=30),
        Feature("count", "events", windows=(7, 30, 90), where=of_type("login")),
        Feature("count", "events", windows=(30, 90), where=of_type("purchase")),
        Feature("sum", "events", "value", windows=(7, 30, 90)),
        Feature("sum", "events", "value", windows=(30, 90), where=of_type("purchase")),
        Feature("mean", "events", "value", windows=(30, 90), where=of_type("support_ticket")),
        Feature("std", "events", "value", windows=(90,), where=of_type("purchase")),
        Feature("max", "events", "value", windows=(90,)),
        Feature("breadth", "events", "event_type", windows=(7, 30)),
        Feature("days_since_last", "events"),
        Feature("days_since_last", "events", where=of_type("login")),
        Feature("trend", "events", windows=(7,), method="ratio", of="count"),
        Feature("trend", "events", windows=(28,), method="slope", of="count"),
        Feature("share", "events", windows=(30,), where=of_type("view")),
        Feature("seasonality", "events", windows=(90,), method="weekend_share"),
        Feature("tenure"),
    ),
)


def write_lake(root: Path, customers: int, events: int, late: float) -> Lake:
    """A lake of sorted buckets, as ingest leaves it."""
    lake = Lake.create(Storage(str(root)), buckets=BUCKETS, currency="EUR")
    silver, files, rng = lake.silver("events"), [], np.random.default_rng(42)
    ids = np.array([f"customer-{i:07d}" for i in range(customers)])
    bucket_of = buckets_of(ids.tolist(), BUCKETS)
    schema = {}
    for bucket in range(BUCKETS):
        mine = ids[bucket_of == bucket]
        times = np.sort(rng.integers(0, DAYS * DAY, (len(mine), events)), axis=1).ravel()
        rows = len(times)
        columns = {
            "customer_id": pa.DictionaryArray.from_arrays(
                pa.array(np.repeat(np.arange(len(mine), dtype=np.int32), events)), pa.array(mine)
            ),
            "event_ts": pa.array(times).cast(pa.timestamp("us", "UTC")),
            "event_type": pa.DictionaryArray.from_arrays(
                pa.array(rng.integers(0, len(TYPES), rows).astype(np.int32)), pa.array(TYPES)
            ),
            "value": pa.array(np.round(rng.gamma(2, 20, rows), 2)),
        }
        if late:
            delay = (rng.random(rows) < late) * rng.integers(0, 3 * DAY, rows)
            columns["known_at"] = pa.array(times + delay).cast(pa.timestamp("us", "UTC"))
        table, path = pa.table(columns), silver.part("batch", bucket)
        size, digest = lake.storage.write_parquet(path, table)
        files.append(FileEntry(path, rows, size, digest, bucket, int(times.min()), int(times.max())))
        texts = {"customer_id", "event_type"}
        schema = {field.name: "string" if field.name in texts else str(field.type) for field in table.schema}
    silver.commit(Manifest("silver/events", "batch", schema, tuple(files)))
    return lake


def by_kernel(job: BuildJob) -> tuple[list[pa.Table], float]:
    """Read and compute every bucket; also the seconds spent on computing."""
    found, computing = [], 0.0
    for bucket in range(BUCKETS):
        tables = {entity: job.snapshots[entity].read(bucket, columns) for entity, columns in job.plan.reads.items()}
        started = time.perf_counter()
        found.append(compute(job.plan, tables, job.as_ofs))
        computing += time.perf_counter() - started
    return found, computing


def duckdb_sql(plan: Plan, paths: Sequence[str], as_of: int) -> str:
    """Two aggregates over the rows that one cut-off sees: the longest window for windows, all history for the rest."""
    moment = f"make_timestamptz({as_of})"
    known = f" AND known_at <= {moment}" if "known_at" in plan.reads["events"] else ""
    here = datetime.fromtimestamp(as_of // 1_000_000, UTC).replace(tzinfo=None)
    names = ", ".join(column for column in plan.reads["events"] if column not in {"event_ts", "known_at"})

    def aggregate(columns: list[Column], since: str) -> str:
        values = [
            f"{days_between('as_of', 'min(ts)') if c.feature.kind == 'tenure' else expression(c)} AS {c.name}"
            for c in columns
        ]
        return (
            f"SELECT customer_id, {', '.join(values)}\n"
            f"FROM (SELECT {names}, {utc('event_ts')} AS ts FROM read_parquet({list(paths)!r})\n"
            f"  WHERE event_ts < {moment}{since}{known})\nGROUP BY customer_id"
        )

    ever = aggregate([c for c in plan.columns if c.window is None], "")
    recent = aggregate(
        [c for c in plan.columns if c.window is not None], f" AND event_ts >= make_timestamptz({as_of - LONGEST * DAY})"
    )
    text = f"SELECT *, {moment} AS as_of FROM ({ever}) LEFT JOIN ({recent}) USING (customer_id)"
    return text.replace("as_of - INTERVAL", f"TIMESTAMP '{here}' - INTERVAL").replace("epoch_us(as_of)", str(as_of))


def by_duckdb(job: BuildJob, threads: int) -> pa.Table:
    files = [job.lake.storage.full(file.path) for b in range(BUCKETS) for file in job.snapshots["events"].files(b)]
    with duckdb.connect(config={"threads": threads}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        parts = [connection.sql(duckdb_sql(job.plan, files, as_of)).to_arrow_table() for as_of in job.as_ofs]
    return pa.concat_tables(parts)


def by_pandas(job: BuildJob) -> int:
    """The same features with groupby on integer codes, bucket after bucket."""
    cells = 0
    for bucket in range(BUCKETS):
        table = job.snapshots["events"].read(bucket, ["customer_id", "event_ts", "event_type", "value"])
        frame = pd.DataFrame(
            {
                "customer": table["customer_id"].combine_chunks().indices.to_numpy(),
                "ts": table["event_ts"].cast(pa.int64()).to_numpy(),
                "kind": table["event_type"].combine_chunks().indices.to_numpy(),
                "value": table["value"].to_numpy(),
            }
        )
        kinds = table["event_type"].combine_chunks().dictionary.to_pylist()
        cells += sum(_pandas_features(frame[frame.ts < as_of], as_of, kinds).size for as_of in job.as_ofs)
    return cells


def _pandas_features(seen: pd.DataFrame, as_of: int, kinds: list[str]) -> pd.DataFrame:
    customers = seen.customer.unique()
    recent = seen[seen.ts >= as_of - LONGEST * DAY]

    def rows(window: int, lag: int = 0, kind: str = "") -> pd.core.groupby.DataFrameGroupBy:
        part = recent[(recent.ts >= as_of - (window + lag) * DAY) & (recent.ts < as_of - lag * DAY)]
        return (part[part.kind == kinds.index(kind)] if kind else part).groupby("customer", sort=False)

    found: dict[str, Any] = {f"count_{w}": rows(w).size() for w in (7, 14, 30, 60, 90)}
    found["lag"] = rows(30, 30).size()
    found |= {f"login_{w}": rows(w, kind="login").size() for w in (7, 30, 90)}
    found |= {f"purchase_{w}": rows(w, kind="purchase").size() for w in (30, 90)}
    found |= {f"sum_{w}": rows(w).value.sum() for w in (7, 30, 90)}
    found |= {f"spent_{w}": rows(w, kind="purchase").value.sum() for w in (30, 90)}
    found |= {f"mood_{w}": rows(w, kind="support_ticket").value.mean() for w in (30, 90)}
    found["std"], found["max"] = rows(90, kind="purchase").value.std(), rows(90).value.max()
    found |= {f"breadth_{w}": rows(w).kind.nunique() for w in (7, 30)}
    ever = seen.groupby("customer", sort=False).ts
    found["since"], found["tenure"] = (as_of - ever.max()) / DAY, (as_of - ever.min()) / DAY
    login = seen[seen.kind == kinds.index("login")].groupby("customer", sort=False).ts
    found["since_login"] = (as_of - login.max()) / DAY
    weeks = [rows(7, 7 * back).size() for back in range(4)]
    found["ratio"] = weeks[0] / weeks[1]
    found["slope"] = sum(weight * week for weight, week in zip((0.3, 0.1, -0.1, -0.3), weeks, strict=True))
    found["share"] = rows(30, kind="view").size() / found["count_30"]
    weekend = recent[(recent.ts // DAY + 3) % 7 >= 5]
    found["weekend"] = weekend.groupby("customer", sort=False).size() / found["count_90"]
    return pd.DataFrame(found, index=customers)


def check(kernel: list[pa.Table], other: pa.Table) -> None:
    """Both sides have to give the same values."""
    order = ["as_of", "customer_id"]
    one = pa.concat_tables(kernel).to_pandas().sort_values(order, ignore_index=True)
    two = other.to_pandas().sort_values(order, ignore_index=True)
    assert one[order].equals(two[order]), "different rows"
    for name in two.columns.drop(order):
        np.testing.assert_allclose(one[name].astype(float), two[name].astype(float), rtol=1e-9, atol=1e-9, err_msg=name)


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = run()
    return result, time.perf_counter() - started


def by_ray(job: BuildJob) -> None:
    """Build gold with two Ray workers; starting Ray and its workers is reported apart."""
    import ray

    from axiom.engine import open_engine
    from axiom.settings import load_settings

    started = time.perf_counter()
    with open_engine(load_settings()) as engine:
        warm = replace(job, as_ofs=job.as_ofs[:1])
        engine.map_buckets(partial(build_bucket, warm), range(2))
        ready = time.perf_counter() - started
        seconds = timed(lambda: engine.map_buckets(partial(build_bucket, job), range(BUCKETS)))[1]
    ray.shutdown()
    print(
        f"  {'axiom build on Ray, gold written':36}{seconds:8.2f} s   (and {ready:.1f} s to start Ray and its workers)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 customers")
    parser.add_argument("--ray", action="store_true", help="also build with two Ray workers")
    parser.add_argument("--late", type=float, default=0.0, help="share of rows that become known up to 3 days late")
    parser.add_argument("--cutoffs", type=int, nargs="+", default=[3, 24])
    parser.add_argument("--rounds", type=int, default=2, help="turns of each side; the best counts")
    options = parser.parse_args()
    customers = 1_000 if options.quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        lake = write_lake(Path(folder), customers, 1_400, options.late)
        snapshots = {"events": lake.snapshot("events")}
        plan = compile_plan(FEATURES, {"events": snapshots["events"].columns})
        print(
            f"{snapshots['events'].rows:,} events of {customers:,} customers, {len(plan.columns)} features, "
            f"{options.late:.0%} late, {os.cpu_count()} cores"
        )
        for place, cuts in enumerate(options.cutoffs):
            step = 30 if cuts * 30 <= DAYS else 7
            as_ofs = tuple(sorted((DAYS - step * k) * DAY for k in range(cuts)))
            job = BuildJob(lake, plan, snapshots, as_ofs)
            compare(job, options.rounds, pandas=place == 0)
            if options.ray:
                by_ray(job)


def compare(job: BuildJob, rounds: int, *, pandas: bool) -> None:
    best: dict[str, float] = {}

    def keep(name: str, seconds: float) -> None:
        best[name] = min(seconds, best.get(name, np.inf))

    for turn in range(rounds):
        (rows, computing), seconds = timed(lambda: by_kernel(job))
        keep("kernel, 1 core: read and compute", seconds)
        keep("kernel, 1 core: compute alone", computing)
        for threads in (1, 2):
            other, seconds = timed(lambda threads=threads: by_duckdb(job, threads))
            keep(f"DuckDB, {threads} thread{'s' * (threads > 1)}", seconds)
        if turn == 0:
            check(rows, other)
        if pandas:
            keep("pandas", timed(lambda: by_pandas(job))[1])
    base = best["kernel, 1 core: read and compute"]
    print(f"\n{len(job.as_ofs)} cut-offs: {sum(len(table) for table in rows):,} feature rows")
    for name, seconds in best.items():
        print(f"  {name:36}{seconds:8.2f} s   x {seconds / base:.2f}")
    print("  " + json.dumps({"cutoffs": len(job.as_ofs), **{name: round(value, 3) for name, value in best.items()}}))


if __name__ == "__main__":
    main()
