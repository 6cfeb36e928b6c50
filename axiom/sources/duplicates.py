"""Duplicates and versions inside one bucket: what of a new batch is really new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from axiom.contracts import ENTITIES
from axiom.lake import sort_rows
from axiom.sources.cleaning import ROW
from axiom.sources.expressions import quoted
from axiom.sources.values import one_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from axiom.lake import FileEntry, Manifest, Snapshot
    from axiom.maths.arrays import BoolArray, IntArray

_PLACE = "_place"


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
            verdict = self._versions(rows.take(places) if len(places) < len(keyed) else rows, bucket)
            duplicate[places], conflict[places], corrected = verdict.duplicate, verdict.conflict, verdict.corrected
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
        times = rows[self.time].cast("int64").to_numpy()
        low, high = int(times.min()), int(times.max())
        duplicate = np.zeros(rows.num_rows, dtype=np.bool_)
        candidates = _same_neighbour(rows, times)
        occurrence = np.ones(rows.num_rows, dtype=np.int64)
        if len(candidates):
            occurrence[candidates] = _occurrences(rows.select(content).take(candidates))
        repeated = int((occurrence > 1).sum())
        if self.drop_repeats:
            duplicate |= occurrence > 1
        for columns, old in self._stored_rows(bucket, content, low, high):
            left = np.flatnonzero(~duplicate)
            duplicate[left] = _already_there(rows.select(columns).take(left), old)
        return duplicate, repeated

    def _stored_rows(
        self, bucket: int, columns: Sequence[str], low: int, high: int
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
        import pyarrow as pa

        identity = ["customer_id", self.key]
        content = [name for name in rows.column_names if name not in {ROW, "known_at", *identity}]
        new = rows.select([name for name in rows.column_names if name != ROW])
        new = new.append_column(_PLACE, pa.array(np.arange(rows.num_rows)))
        if "known_at" in rows.column_names:
            known = f"coalesce(known_at, {quoted(self.time)})"
        else:
            known = f"(make_timestamp({self.arrived}) at time zone 'UTC')"
        stored = [column for column in self.before.columns if column in rows.column_names]
        has_key = self.key in stored
        old = self.before.read(bucket, [*stored, *([] if "known_at" in stored else ["known_at"])]) if has_key else None
        return _judge_versions(new, old, identity, content, known)

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


def _judge_versions(
    new: pa.Table, old: pa.Table | None, identity: Sequence[str], content: Sequence[str], known: str
) -> _Verdict:
    """Order the versions of each key by knowledge time, and compare neighbours.

    Of two different rows with one key and one knowledge time nobody can say which is right: the first stays.
    """
    key = ", ".join(quoted(name) for name in identity)
    in_old = set(old.column_names) if old is not None else set()
    body = ", ".join(f"{quoted(name)}" for name in content)
    old_body = ", ".join(quoted(name) if name in in_old else f"null as {quoted(name)}" for name in content)
    stored = f"union all select {key}, known_at, -1, false, {old_body} from old" if old is not None else ""
    text = f"""
        with versions as (
            select {key}, {known} as k, {_PLACE} as place, true as new, {body} from new {stored}
        ), rows as (
            select {key}, k, place, new, row({body}) as content from versions
        ), first as (
            select *, first_value(content) over (partition by {key}, k order by new, place) as leader from rows
        ), judged as (
            select *, content is distinct from leader as conflict from first
        )
        select place, conflict, content is not distinct from before as duplicate, before is not null as later,
               seen > 1 as repeated
        from (
            select place, new, conflict, content,
                   lag(content) over (partition by {key}, conflict order by k, new, place) as before,
                   row_number() over (partition by {key}, content, new order by place) as seen
            from judged
        ) where new order by place
    """
    answer = _run(text, new=new, old=old)
    conflict = answer["conflict"].to_numpy()
    duplicate = answer["duplicate"].to_numpy() & ~conflict
    corrected = answer["later"].to_numpy() & ~conflict & ~duplicate
    return _Verdict(duplicate, conflict, corrected, int(answer["repeated"].to_numpy().sum()))


def _occurrences(rows: pa.Table) -> IntArray:
    """How often each row, up to and with itself, occurs."""
    import pyarrow as pa

    columns = ", ".join(quoted(name) for name in rows.column_names)
    new = rows.append_column(_PLACE, pa.array(np.arange(rows.num_rows)))
    text = (
        f"select row_number() over (partition by {columns} order by {_PLACE}) as n, {_PLACE} from new order by {_PLACE}"
    )
    counts: IntArray = _run(text, new=new)["n"].to_numpy()
    return counts


def _already_there(rows: pa.Table, old: pa.Table) -> BoolArray:
    """Whether the n-th copy of a row has a counterpart among n copies in silver."""
    import pyarrow as pa

    columns = [quoted(name) for name in rows.column_names]
    listed = ", ".join(columns)
    same = " and ".join(f"new.{name} is not distinct from have.{name}" for name in columns)
    text = f"""
        with have as (select {listed}, count(*) as copies from old group by all),
             new as (select {listed}, {_PLACE},
                            row_number() over (partition by {listed} order by {_PLACE}) as n from new)
        select {_PLACE}, n <= coalesce(copies, 0) as there from new left join have on {same} order by {_PLACE}
    """
    new = rows.append_column(_PLACE, pa.array(np.arange(rows.num_rows)))
    there: BoolArray = _run(text, new=new, old=old)["there"].to_numpy()
    return there


def _run(text: str, **tables: pa.Table | None) -> pa.Table:
    import duckdb

    # A connection of its own: buckets are settled in parallel, and each must not take all cores.
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            if table is not None:
                connection.register(name, table)
        return connection.sql(text).to_arrow_table()


def _same_neighbour(rows: pa.Table, times: IntArray) -> IntArray:
    """Positions of sorted rows that share customer and time with a neighbour: only they can repeat."""
    codes = one_array(rows["customer_id"]).indices.to_numpy()
    same = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    return np.flatnonzero(np.append(same, False) | np.append(False, same))


def _meets(file: FileEntry, low: int, high: int) -> bool:
    return file.min_time is None or file.max_time is None or (file.min_time <= high and file.max_time >= low)


def _without_row(table: pa.Table) -> pa.Table:
    return table.drop_columns([ROW]) if ROW in table.column_names else table
