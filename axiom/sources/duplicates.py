"""Duplicates and versions inside one bucket: what of a new batch is really new."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.contracts import ENTITIES
from axiom.lake import sort_rows
from axiom.sources.cleaning import ROW
from axiom.sources.values import one_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from axiom.lake import FileEntry, Manifest, Snapshot
    from axiom.maths.arrays import BoolArray, IntArray


@dataclass(frozen=True)
class NewRows:
    """What of one bucket of a batch goes into silver.

    Attributes:
        accepted: sorted rows, without `_row`.
        duplicates: rows that silver has, or that repeat within the batch.
        repeated: rows that equal an earlier one of the batch.
        conflicts: versions that cannot be told apart in time: `_row` and silver columns.
        customers: distinct customers accepted.
    """

    accepted: pa.Table
    duplicates: int
    repeated: int
    conflicts: pa.Table
    customers: int


@dataclass(frozen=True)
class Deduplicator:
    """Compares new rows with each other and with silver, one bucket at a time.

    A row without a key is a duplicate when silver holds it as often as it came up to now (a multiset: two equal
    purchases on one day are two). A row with a key is a duplicate when it equals the version of that key before it,
    else a new version. Knowledge time is no content: a row sent again is known since it was first sent.

    Attributes:
        source: name of the batch's source.
        before: silver without the batch.
        time: event time column.
        key: column whose equal values are versions of one fact; "" when rows have none.
        drop_repeats: whether equal rows within the batch count once.
        arrived: arrival time in microseconds: when a correction without a knowledge time became known.
    """

    source: str
    before: Snapshot
    time: str
    key: str
    drop_repeats: bool
    arrived: int

    def settle(self, rows: pa.Table, bucket: int) -> NewRows:
        """Decide about the rows of one bucket, given in the order in which they came."""
        import pyarrow as pa
        import pyarrow.compute as pc

        position = rows.schema.get_field_index("customer_id")
        encoded = one_array(rows["customer_id"]).dictionary_encode()
        rows = sort_rows(rows.set_column(position, "customer_id", encoded), self.time)
        keyed = rows[self.key].is_valid().to_numpy() if self.key else np.zeros(rows.num_rows, dtype=np.bool_)
        duplicate, conflict = np.zeros((2, rows.num_rows), dtype=np.bool_)
        repeated = 0
        if not keyed.all():
            places = np.flatnonzero(~keyed)
            duplicate[places], repeated = self._plain_duplicates(rows.take(places) if keyed.any() else rows, bucket)
        if keyed.any():
            places = np.flatnonzero(keyed)
            with_key = rows.take(places) if len(places) < len(keyed) else rows
            verdict = self._versions(with_key, bucket)
            known = verdict.duplicate | verdict.conflict | verdict.corrected
            # Rows that came before the key was mapped must not come again because it is now.
            known = self._add_stored(with_key, known, bucket, lacking=self.key)
            conflict[places], corrected = verdict.conflict, verdict.corrected
            duplicate[places] = known & ~conflict[places] & ~corrected
            repeated += verdict.repeated
            if corrected.any():
                rows = self._stamp(rows, places[corrected])
        conflicts = rows.filter(pa.array(conflict)) if conflict.any() else rows.schema.empty_table()
        kept = ~(duplicate | conflict)
        accepted = rows if kept.all() else rows.filter(pa.array(kept))
        codes = one_array(accepted["customer_id"]).indices
        customers = int(pc.count_distinct(codes).as_py())
        return NewRows(_without_row(accepted), int(duplicate.sum()), repeated, conflicts, customers)

    def _plain_duplicates(self, rows: pa.Table, bucket: int) -> tuple[BoolArray, int]:
        content = [name for name in rows.column_names if name not in {ROW, "known_at"}]
        candidates = _same_neighbour(rows, self.time)
        occurrence = np.ones(rows.num_rows, dtype=np.int64)
        if len(candidates):
            occurrence[candidates] = _occurrences(rows.select(content).take(candidates))
        repeats = occurrence > 1
        known = repeats if self.drop_repeats else np.zeros(rows.num_rows, dtype=np.bool_)
        return self._add_stored(rows, known, bucket), int(repeats.sum())

    def _add_stored(self, rows: pa.Table, known: BoolArray, bucket: int, *, lacking: str = "") -> BoolArray:
        """`known`, and the other rows that silver holds; `lacking`: look only at files without this column."""
        content = [name for name in rows.column_names if name not in {ROW, "known_at"}]
        times = rows[self.time].cast("int64").to_numpy()
        found = known.copy()
        for columns, old in self._stored_rows(bucket, content, int(times.min()), int(times.max()), lacking):
            left = np.flatnonzero(~found)
            found[left] = _already_there(rows.select(columns).take(left), old)
        return found

    def _stored_rows(
        self, bucket: int, columns: Sequence[str], low: int, high: int, lacking: str
    ) -> list[tuple[list[str], pa.Table]]:
        """Silver's rows in a range of time, in one table for every set of columns that they share with the batch."""
        import pyarrow as pa
        import pyarrow.compute as pc

        groups: dict[tuple[str, ...], list[pa.Table]] = {}
        earliest, latest = (pa.scalar(micros, pa.timestamp("us", "UTC")) for micros in (low, high))
        for commit in self.before.commits:
            for file in commit.files:
                if file.bucket != bucket or not _meets(file, low, high) or not self._comparable(commit, columns):
                    continue
                source = self.before.storage.parquet(file.path)
                if lacking and lacking in source.schema_arrow.names:
                    continue
                shared = tuple(name for name in columns if name in source.schema_arrow.names)
                table = source.read(columns=list(shared))
                inside = pc.and_(pc.greater_equal(table[self.time], earliest), pc.less_equal(table[self.time], latest))
                groups.setdefault(shared, []).append(table.filter(inside))
        return [(list(shared), pa.concat_tables(tables)) for shared, tables in groups.items()]

    def _comparable(self, commit: Manifest, columns: Sequence[str]) -> bool:
        """Of its own source, rows are compared by the columns both have: a column that came later makes no new row.

        Rows of another source have to agree in every canonical column; that one of them has no amount tells nothing.
        """
        if self.source in {commit.properties.get("source"), *commit.properties.get("sources", ())}:
            return True
        canonical = {column.name for column in ENTITIES[self.before.entity].columns} - {"known_at"}
        return canonical & set(columns) == canonical & set(commit.schema)

    def _versions(self, rows: pa.Table, bucket: int) -> _Verdict:
        """Compare each keyed row with the version before it, in silver or in the batch."""
        content = [name for name in rows.column_names if name not in {ROW, "known_at", "customer_id", self.key}]
        new = _identified(rows, self, content, new=True)
        if self.key not in self.before.columns:
            return _judge_versions(new, new.slice(0, 0))
        stored = [name for name in content if name in self.before.columns]
        old = self.before.read(bucket, ["customer_id", self.key, *stored, "known_at"])
        return _judge_versions(new, _identified(old, self, content, new=False))

    def _stamp(self, rows: pa.Table, places: IntArray) -> pa.Table:
        """A correction that does not say since when it is known, is known since it arrived."""
        import pyarrow as pa

        if "known_at" in rows.column_names:
            return rows
        known = np.full(rows.num_rows, np.datetime64("NaT", "us"))
        known[places] = np.datetime64(self.arrived, "us")
        return rows.append_column("known_at", pa.array(known).cast(pa.timestamp("us", "UTC")))


@dataclass(frozen=True)
class _Verdict:
    duplicate: BoolArray
    conflict: BoolArray
    corrected: BoolArray
    repeated: int


def _identified(table: pa.Table, how: Deduplicator, content: Sequence[str], *, new: bool) -> pa.Table:
    """Rows as versions: customer, key, since when known, place, and content as c0, c1, … whatever it was called."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "known_at" in table.column_names:
        known = pc.coalesce(table["known_at"], table[how.time]) if new else table["known_at"]
    else:
        known = pa.repeat(pa.scalar(how.arrived, pa.timestamp("us", "UTC")), table.num_rows)
    columns = {"customer": table["customer_id"], "key": table[how.key], "known": known}
    columns["place"] = pa.array(np.arange(table.num_rows) if new else np.full(table.num_rows, -1))
    columns["new"] = pa.repeat(pa.scalar(new), table.num_rows)
    for number, name in enumerate(content):
        columns[f"c{number}"] = table[name] if name in table.column_names else pa.nulls(table.num_rows)
    return pa.table(columns)


def _judge_versions(new: pa.Table, old: pa.Table) -> _Verdict:
    """Order the versions of each key by knowledge time, and compare neighbours.

    Of two different rows with one key and one knowledge time nobody can say which is right: the first stays.
    """
    content = ", ".join(["new is null", *(name for name in new.column_names if re.fullmatch(r"c\d+", name))])
    text = f"""
        with versions as (
            from new union all by name from old
        ), rows as (
            select customer, key, known, place, new, row({content}) as content from versions
        ), led as (
            select *, first_value(content) over (partition by customer, key, known order by new, place) as leader
            from rows
        ), judged as (
            select *, content is distinct from leader as conflict from led
        ), compared as (
            select *, lag(content) over (partition by customer, key, conflict order by known, new, place) as before,
                   row_number() over (partition by customer, key, content, new order by place) as seen
            from judged
        )
        select conflict, content is not distinct from before as duplicate, before is not null as later,
               seen > 1 as repeated
        from compared where new order by place
    """
    answer = _run(text, new=new, old=old)
    conflict = answer["conflict"].to_numpy()
    duplicate = answer["duplicate"].to_numpy() & ~conflict
    corrected = answer["later"].to_numpy() & ~conflict & ~duplicate
    return _Verdict(duplicate, conflict, corrected, int(answer["repeated"].to_numpy().sum()))


def _occurrences(rows: pa.Table) -> IntArray:
    """How often each row, up to and with itself, occurs."""
    new, columns = _placed(rows)
    text = f"select row_number() over (partition by {', '.join(columns)} order by place) as n from new order by place"
    counts: IntArray = _run(text, new=new)["n"].to_numpy()
    return counts


def _already_there(rows: pa.Table, old: pa.Table) -> BoolArray:
    """Whether the n-th copy of a row has a counterpart among n copies in silver."""
    new, columns = _placed(rows)
    listed = ", ".join(columns)
    same = " and ".join(f"numbered.{name} is not distinct from have.{name}" for name in columns)
    text = f"""
        with have as (select {listed}, count(*) as copies from old group by all),
             numbered as (select *, row_number() over (partition by {listed} order by place) as n from new)
        select n <= coalesce(copies, 0) as there from numbered left join have on {same} order by place
    """
    there: BoolArray = _run(text, new=new, old=old.rename_columns(columns))["there"].to_numpy()
    return there


def _placed(rows: pa.Table) -> tuple[pa.Table, list[str]]:
    """Rows with their place, and columns called c0, c1, …: people's own names could be those of the query."""
    import pyarrow as pa

    columns = [f"c{number}" for number in range(rows.num_columns)]
    return rows.rename_columns(columns).append_column("place", pa.array(np.arange(rows.num_rows))), columns


def _run(text: str, **tables: pa.Table) -> pa.Table:
    import duckdb

    # A connection of its own: buckets are settled in parallel, and each must not take all cores.
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(text).to_arrow_table()


def _same_neighbour(rows: pa.Table, time: str) -> IntArray:
    """Positions of sorted rows that share customer and time with a neighbour: only they can repeat."""
    times = rows[time].cast("int64").to_numpy()
    codes = one_array(rows["customer_id"]).indices.to_numpy()
    same = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    return np.flatnonzero(np.append(same, False) | np.append(False, same))


def _meets(file: FileEntry, low: int, high: int) -> bool:
    return file.min_time is None or file.max_time is None or (file.min_time <= high and file.max_time >= low)


def _without_row(table: pa.Table) -> pa.Table:
    return table.drop_columns([ROW]) if ROW in table.column_names else table
