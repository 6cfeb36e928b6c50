"""Ingest of Parquet against a bare sorted write by DuckDB and by pyarrow, on the same file, in one run.

    python benchmarks/ingest.py [--quick]

Writes shuffled events (id, time, one of six types, a number) of 10,000 customers at two sizes, 2 and 14 million
rows (--quick: a tenth), then lets every side read the file and write it sorted by customer and time:

- axiom: `ingest` with everything it does: checks, bronze, hash buckets, duplicates, silver, commit; at the larger size
  also with seven times the buckets, which makes a bucket as small as at the smaller size;
- DuckDB, 2 threads: `copy (select * … order by customer_id, event_ts) to …`, one file, zstd;
- pyarrow: read, `sort_by`, write, one file, zstd, all of it in memory.

Every side runs in a process of its own, so that its peak memory is its own. Reported: rows per second, peak resident
memory, and the time of axiom as a multiple of each peer's.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

CUSTOMERS = 10_000
BUCKETS = 16
SIZES = (2_000_000, 14_000_000)
TYPES = ("login", "view", "search", "purchase", "support_ticket", "cancel")


def write_events(path: Path, rows: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(42)
    ids = pa.array([f"C{number:07d}" for number in range(CUSTOMERS)])
    start = np.datetime64("2023-01-01", "us").astype(np.int64)
    writer = None
    for size in [1_000_000] * (rows // 1_000_000) + [rows % 1_000_000]:
        table = pa.table(
            {
                "customer_id": ids.take(pa.array(rng.integers(0, CUSTOMERS, size))),
                "event_ts": pa.array(start + rng.integers(0, 365 * 86_400_000_000, size), pa.timestamp("us", "UTC")),
                "event_type": pa.array(TYPES).take(pa.array(rng.integers(0, len(TYPES), size))),
                "value": rng.gamma(2.0, 10.0, size),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def run_axiom(source: Path, target: Path, buckets: int) -> int:
    from axiom.lake import Lake, Storage
    from axiom.sources import FileSource, IngestRequest, ingest

    lake = Lake.create(Storage(str(target)), buckets=buckets, currency="USD")
    return ingest(lake, IngestRequest("events", FileSource((str(source),)))).accepted


def run_duckdb(source: Path, target: Path, _buckets: int) -> int:
    import duckdb

    target.mkdir()
    with duckdb.connect(config={"threads": 2, "temp_directory": str(target)}) as connection:
        connection.execute(
            f"copy (select * from '{source}' order by customer_id, event_ts) to '{target}/sorted.parquet' "
            "(format parquet, compression zstd, compression_level 1)"
        )
        return int(connection.execute(f"select count(*) from '{target}/sorted.parquet'").fetchall()[0][0])


def run_pyarrow(source: Path, target: Path, _buckets: int) -> int:
    import pyarrow.parquet as pq

    target.mkdir()
    table = pq.read_table(source).sort_by([("customer_id", "ascending"), ("event_ts", "ascending")])
    pq.write_table(table, target / "sorted.parquet", compression="zstd", compression_level=1)
    return int(table.num_rows)


SIDES: dict[str, Callable[[Path, Path, int], int]] = {
    "axiom": run_axiom,
    "duckdb": run_duckdb,
    "pyarrow": run_pyarrow,
}


def measure(side: str, source: Path, folder: Path, buckets: int) -> dict[str, Any]:
    """Run one side in a process of its own; seconds without its imports, rows, peak resident memory in MB."""
    command = [sys.executable, __file__, "--side", side, "--source", str(source), "--buckets", str(buckets)]
    with tempfile.TemporaryDirectory(dir=folder) as target:
        answer = subprocess.run([*command, "--target", f"{target}/out"], check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def child(side: str, source: Path, target: Path, buckets: int) -> None:
    import duckdb  # noqa: F401  (imports are not what is measured)
    import pyarrow.compute
    import pyarrow.dataset
    import pyarrow.parquet  # noqa: F401

    import axiom.lake
    import axiom.sources  # noqa: F401

    started = time.perf_counter()
    rows = SIDES[side](source, target, buckets)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "rows": rows, "peak_mb": peak}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--side", choices=sorted(SIDES))
    parser.add_argument("--source", type=Path)
    parser.add_argument("--target", type=Path)
    parser.add_argument("--buckets", type=int, default=BUCKETS)
    options = parser.parse_args()
    if options.side:
        child(options.side, options.source, options.target, options.buckets)
        return
    sizes = [rows // 10 for rows in SIZES] if options.quick else list(SIZES)
    more = BUCKETS * sizes[-1] // sizes[0]
    print("| rows | side | buckets | seconds | rows/s | peak MB | axiom takes |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in sizes:
            source = folder / f"{rows}.parquet"
            write_events(source, rows)
            runs = [("axiom", BUCKETS), ("duckdb", 0), ("pyarrow", 0)]
            runs += [("axiom", more)] if rows == sizes[-1] else []
            own = 0.0
            for side, buckets in runs:
                found = measure(side, source, folder, buckets or 1)
                assert found["rows"] == rows, (side, found["rows"])
                own = own or found["seconds"]
                ratio = "" if side == "axiom" else f"{own / found['seconds']:.2f}x its time"
                print(
                    f"| {rows:,} | {side} | {buckets or '-'} | {found['seconds']:.2f} | "
                    f"{rows / found['seconds']:,.0f} | {found['peak_mb']:,.0f} | {ratio} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
