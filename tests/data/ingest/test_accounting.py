"""For any rows and policies: rows in = accepted + duplicates + dropped + refused, checked against plain Python."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from axiom.lake import Lake, Storage
from axiom.sources import FileSource, IngestRequest, ingest

ids = st.sampled_from(["a", "b", "c", ""])
days = st.sampled_from(["2024-01-01", "2024-01-02", "never", "", "2999-01-01"])
amounts = st.sampled_from(["1", "2.5", "-1", "", "nan", "x"])
batches = st.lists(st.lists(st.tuples(ids, days, amounts), min_size=1, max_size=12), min_size=1, max_size=3)
ALWAYS = ("a", "2024-01-03", "7")


def _verdict(row: tuple[str, str, str], returns: str) -> str:
    customer, day, amount = row
    if not customer or day in {"never", "", "2999-01-01"} or amount in {"", "nan", "x"}:
        return "refused"
    if amount.startswith("-") and returns != "net":
        return {"drop": "dropped", "refuse": "refused"}[returns]
    return "good"


@settings(max_examples=15, deadline=None)
@given(batches, st.sampled_from(["net", "drop", "refuse"]), st.sampled_from(["keep", "drop"]))
def test_every_row_is_accounted_for(batches: list[list[tuple[str, str, str]]], returns: Any, duplicates: Any) -> None:
    silver: Counter[tuple[str, str, str]] = Counter()
    seen: set[tuple[tuple[str, str, str], ...]] = set()
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake.create(Storage(f"{folder}/lake"), buckets=2, currency="USD")
        for drawn in batches:
            rows = [ALWAYS, *drawn]
            path = Path(folder) / "orders.csv"
            path.write_text("customer_id,txn_ts,amount\n" + "".join(f"{','.join(row)}\n" for row in rows))
            mapping = {name: name for name in ("customer_id", "txn_ts", "amount")}
            request = IngestRequest(
                "transactions", FileSource((str(path),)), mapping=mapping, returns=returns, duplicates=duplicates
            )
            report = ingest(lake, request)
            verdicts = Counter(_verdict(row, returns) for row in rows)
            good = Counter(row for row in rows if _verdict(row, returns) == "good")
            wanted = Counter(dict.fromkeys(good, 1)) if duplicates == "drop" else good
            new = wanted - silver
            assert report.rows_in == len(rows)
            assert (report.refused, report.dropped) == (verdicts["refused"], verdicts["dropped"])
            assert report.already == (tuple(rows) in seen)
            assert report.accepted == (0 if report.already else new.total())
            assert report.rows_in == report.accepted + report.duplicates + report.dropped + report.refused
            if report.committed:
                seen.add(tuple(rows))
            silver |= wanted
        snapshot = lake.snapshot("transactions")
        found: Counter[tuple[str, str, str]] = Counter()
        for bucket in range(2):
            table = snapshot.read(bucket, ["customer_id", "txn_ts", "amount"])
            for customer, time, amount in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
                found[customer, time.date().isoformat(), f"{amount:g}"] += 1
        assert found == silver
