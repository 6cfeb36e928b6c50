from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from axiom.errors import ConflictError
from axiom.lake import Lake, Storage
from axiom.lake.compact import clean, compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.lake import Manifest

_LATER = datetime.now(UTC) + timedelta(days=2)


def _batches(add_batch: Callable[..., Manifest], count: int) -> None:
    for number in range(count):
        add_batch(
            f"b{number}", [(f"c{n}", 10 - number, float(number)) for n in range(12)], source="shop", counts={"n": 1}
        )


def _content(lake: Lake) -> list[pa.Table]:
    snapshot = lake.snapshot("transactions")
    return [snapshot.read(bucket) for bucket in range(lake.buckets)]


def test_compaction_changes_neither_rows_nor_the_snapshot(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    _batches(add_batch, 4)
    before, rows = lake.snapshot("transactions"), _content(lake)
    seen: list[tuple[str, int, int]] = []
    manifest = compact(lake, "transactions", max_files=3, on_progress=lambda *step: seen.append(step))
    after = lake.snapshot("transactions")
    assert manifest is not None
    assert after.commits == (manifest,)
    assert (after.id, after.batch_ids, after.rows) == (before.id, before.batch_ids, before.rows)
    assert (after.min_ts, after.max_ts) == (before.min_ts, before.max_ts)
    assert _content(lake) == rows
    assert all(len(after.files(bucket)) == 1 for bucket in range(lake.buckets))
    assert seen[-1] == ("compact", lake.buckets, lake.buckets)


def test_who_opened_the_lake_before_still_reads(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    _batches(add_batch, 4)
    before, rows = lake.snapshot("transactions"), _content(lake)
    compact(lake, "transactions", max_files=3)
    clean(lake)
    assert [before.read(bucket) for bucket in range(lake.buckets)] == rows


def test_only_crowded_buckets_are_rewritten(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    _batches(add_batch, 2)
    add_batch("b2", [("c0", 1, 1.0)])
    rows = _content(lake)
    old = {file.path for commit in lake.snapshot("transactions").commits for file in commit.files}
    manifest = compact(lake, "transactions", max_files=2)
    assert manifest is not None
    assert sum(file.path not in old for file in manifest.files) == 1
    assert _content(lake) == rows


def test_a_lake_that_is_not_crowded_is_left_alone(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    _batches(add_batch, 2)
    assert compact(lake, "transactions", max_files=2) is None
    assert compact(lake, "events") is None


def test_compacting_again_and_after_new_batches_keeps_every_batch(
    lake: Lake, add_batch: Callable[..., Manifest]
) -> None:
    _batches(add_batch, 4)
    compact(lake, "transactions", max_files=3)
    assert compact(lake, "transactions", max_files=3) is None
    add_batch("late", [(f"c{n}", 99, 9.0) for n in range(12)], source="web")
    rows, batches = _content(lake), lake.snapshot("transactions").batch_ids
    manifest = compact(lake, "transactions", max_files=1)
    assert manifest is not None
    assert lake.snapshot("transactions").batch_ids == batches
    assert manifest.properties["sources"] == ["shop", "web"]
    assert [facts["id"] for facts in manifest.properties["merged"]] == list(batches)
    assert _content(lake) == rows


class _Failing(Storage):
    """A store that breaks at one path."""

    def write(self, path: str, data: bytes) -> None:
        if "_commits" in path:
            raise OSError("the store is gone")
        super().write(path, data)


def test_a_compaction_that_crashes_leaves_the_lake_as_it_was(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    _batches(add_batch, 4)
    commits, rows = lake.snapshot("transactions").commits, _content(lake)
    broken = Lake(_Failing(lake.storage.location, lake.storage.s3), lake.buckets, lake.currency)
    with pytest.raises(OSError, match="the store is gone"):
        compact(broken, "transactions", max_files=3)
    assert lake.snapshot("transactions").commits == commits
    assert compact(lake, "transactions", max_files=3) is not None
    assert _content(lake) == rows


def test_two_compactions_of_the_same_batches_do_not_both_count(lake: Lake, add_batch: Callable[..., Manifest]) -> None:
    _batches(add_batch, 4)

    def another(_phase: str, done: int, total: int) -> None:
        if done == total:
            add_batch("late", [("c0", 99, 9.0)])
            compact(lake, "transactions", max_files=1)

    with pytest.raises(ConflictError, match="was replaced meanwhile"):
        compact(lake, "transactions", max_files=3, on_progress=another)
    assert lake.snapshot("transactions").rows == 4 * 12 + 1


def test_clean_up_takes_old_leftovers_and_nothing_that_a_commit_names(
    lake: Lake, add_batch: Callable[..., Manifest]
) -> None:
    _batches(add_batch, 4)
    compact(lake, "transactions", max_files=3)
    rows = _content(lake)
    lake.storage.write_parquet(lake.silver("transactions").part("crashed", 1), pa.table({"customer_id": ["a"]}))
    crashed = lake.writer("bronze/transactions", "crashed")
    crashed.write("part-00000.parquet", pa.table({"x": [1]}))
    whole = lake.writer("bronze/transactions", "whole")
    whole.commit([whole.write("part-00000.parquet", pa.table({"x": [1]}))])
    gold = lake.writer("features", "crashed")
    gold.write("bucket-0000.parquet", pa.table({"x": [1]}))
    assert clean(lake) == [], "all of it is younger than a day"
    gone = clean(lake, now=_LATER)
    assert {path for path in gone if "crashed" in path} == {
        "silver/transactions/bucket=001/crashed.parquet",
        "bronze/transactions/crashed/part-00000.parquet",
        "bronze/transactions/crashed/_parts/part-00000.parquet.json",
        "gold/features/crashed/bucket-0000.parquet",
        "gold/features/crashed/_parts/bucket-0000.parquet.json",
    }
    assert all("crashed" in path or path.startswith("silver/transactions/bucket=") for path in gone)
    assert len(gone) == 5 + 4 * lake.buckets, "the files that compaction replaced"
    assert _content(lake) == rows
    lake.dataset("bronze/transactions", "whole").verify()
    assert lake.silver("transactions").batch("b0") is not None, "the history of batches stays"


def test_a_temporary_file_of_a_killed_writer_is_cleaned_up(lake: Lake) -> None:
    lake.storage.write("silver/transactions/_commits/.b1.json.1234", b"half")
    assert lake.snapshot("transactions").rows == 0
    assert clean(lake, now=_LATER) == ["silver/transactions/_commits/.b1.json.1234"]
