"""Cleaning: rows of a source become typed silver rows; a row that cannot is refused with a reason, never repaired."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from axiom.contracts import ENTITIES
from axiom.sources.expressions import Sql, column_named, quoted
from axiom.sources.values import Typed, mask_of, one_array, to_number, to_text, to_time

if TYPE_CHECKING:
    import pyarrow as pa

    from axiom.contracts import ColumnType, Entity
    from axiom.maths.arrays import BoolArray, IntArray
    from axiom.sources.contract import Contract
    from axiom.sources.incoming import Incoming
    from axiom.sources.mapping import SettledMapping, Term
    from axiom.sources.request import IngestRequest

DAY = 86_400_000_000
DAWN = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
ROW = "_row"
_NOT_A = {"float": "is not a number", "timestamp": "is not a time", "string": "is not text"}


@dataclass(frozen=True)
class Cleaned:
    """What became of n rows: each is accepted, dropped or refused.

    Attributes:
        accepted: silver columns, and `_row`: the position among the n rows.
        dropped: why -> rows.
        refused: positions of the refused rows.
        reasons: their reasons, as many.
        originals: their source columns as JSON, as many.
        amounts: how many rows had an amount at all.
    """

    accepted: pa.Table
    dropped: dict[str, int]
    refused: IntArray
    reasons: list[str]
    originals: list[str]
    amounts: int


class _Verdicts:
    """The first reason against each of n rows."""

    def __init__(self, rows: int) -> None:
        self.codes = np.zeros(rows, dtype=np.int16)
        self.names: list[str] = [""]

    def add(self, name: str, mask: BoolArray) -> None:
        if mask.any():
            self.names.append(name)
            self.codes[mask & (self.codes == 0)] = len(self.names) - 1


@dataclass(frozen=True)
class Cleaner:
    """Turns batches of source rows into silver rows.

    Attributes:
        request: the policies.
        incoming: the source, for its types.
        mapping: what comes from where.
        contract: what the schema contract refuses.
        currency: of the lake.
        arrived: arrival time in microseconds since 1970; times later than a day after it are refused.
        sql: typing and expressions, in the zone of the request.
        silver_types: types of further columns that silver has already.
    """

    request: IngestRequest
    incoming: Incoming
    mapping: SettledMapping
    contract: Contract
    currency: str
    arrived: int
    sql: Sql
    silver_types: dict[str, ColumnType] = field(default_factory=dict)

    @cached_property
    def entity(self) -> Entity:
        """The entity that rows become."""
        return ENTITIES[self.request.entity]

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """Source columns that cleaning needs."""
        watermark = (self.watermark,) if self.watermark else ()
        return tuple(dict.fromkeys((*self.mapping.reads, *self.contract.new, *self.contract.retyped, *watermark)))

    @cached_property
    def watermark(self) -> str:
        """The watermark column as the source spells it; "" when there is none."""
        return column_named(self.request.watermark, self.incoming.schema.names) if self.request.watermark else ""

    def clean(self, rows: pa.RecordBatch) -> Cleaned:
        """Clean some rows."""
        verdicts = _Verdicts(rows.num_rows)
        inputs, unreadable = self._inputs(rows)
        dropped, counts = np.zeros(rows.num_rows, dtype=np.bool_), {}
        computed = self._compute(inputs)
        if self.mapping.where is not None:
            for name in self.mapping.where.reads:
                verdicts.add(*unreadable.pop(name, ("", dropped)))
            dropped = ~mask_of(computed["where"]) & (verdicts.codes == 0)
            counts["where"] = int(dropped.sum())
        self._apply_contract(rows, verdicts)
        for name, mask in unreadable.values():
            verdicts.add(name, mask)
        columns = {}
        for term in self.mapping.terms:
            source = computed[term.target] if term.expression else one_array(rows.column(term.column))
            columns[term.target] = self._typed(term, source, verdicts)
        amounts = self._judge(columns, verdicts)
        verdicts.codes[dropped] = 0
        if self.request.returns == "drop" and "amount" in columns:
            negative = _negative(columns["amount"]) & (verdicts.codes == 0) & ~dropped
            counts["returns"] = int(negative.sum())
            dropped |= negative
        return self._sort_out(rows, columns, verdicts, dropped, counts, amounts)

    def _inputs(self, rows: pa.RecordBatch) -> tuple[pa.Table, dict[str, tuple[str, BoolArray]]]:
        """Columns that expressions read, text typed; and for each column why, and which, rows could not be read."""
        import pyarrow as pa

        names = list(dict.fromkeys(name for term in self.mapping.computed for name in term.reads))
        columns, unreadable = {}, {}
        for name in names:
            column = one_array(rows.column(name))
            if self.incoming.is_text:
                kind = self.incoming.kind(name)
                column, bad = self._convert(column, kind)
                unreadable[name] = (f"{name} {_NOT_A[kind]}", bad)
            columns[name] = column
        # Without a column there would be no rows either, and constants want rows.
        return pa.table(columns) if columns else pa.table({ROW: pa.nulls(rows.num_rows)}), unreadable

    def _compute(self, inputs: pa.Table) -> dict[str, pa.Array]:
        if not self.mapping.computed:
            return {}
        result = self.sql.select(inputs, **{term.target: term.expression for term in self.mapping.computed})
        return {name: one_array(result[name]) for name in result.column_names}

    def _apply_contract(self, rows: pa.RecordBatch, verdicts: _Verdicts) -> None:
        if self.watermark:
            verdicts.add(f"{self.watermark} is missing", mask_of(rows.column(self.watermark).is_null()))
        for name in self.contract.new:
            verdicts.add(f"uses the new column {name}", mask_of(rows.column(name).is_valid()))
        for name, kind in self.contract.retyped.items():
            verdicts.add(f"{name} {_NOT_A[kind]} any more", self._convert(one_array(rows.column(name)), kind).bad)

    def _convert(self, column: pa.Array, kind: ColumnType) -> Typed:
        if kind == "float":
            return to_number(column, self.sql)
        if kind == "timestamp":
            return to_time(column, self.sql, self.request.time_format)
        return to_text(column)

    def _typed(self, term: Term, source: pa.Array, verdicts: _Verdicts) -> pa.Array:
        kind = self.silver_types.get(term.target, term.type)
        values, bad = self._convert(source, kind)
        verdicts.add(f"{term.target} {_NOT_A[kind]}", bad)
        return values

    def _judge(self, columns: dict[str, pa.Array], verdicts: _Verdicts) -> int:
        """Apply the rules of the entity. Returns how many amounts there are."""
        import pyarrow.compute as pc

        for column in self.entity.columns:
            if column.name not in columns:
                continue
            values = columns[column.name]
            if column.type == "float":
                columns[column.name] = self._judge_number(column.name, values, verdicts)
            elif column.type == "timestamp":
                micros = values.cast("int64")
                verdicts.add(f"{column.name} is in the future", mask_of(pc.greater(micros, self.arrived + DAY)))
                verdicts.add(f"{column.name} is before 1900", mask_of(pc.less(micros, DAWN)))
            if column.required:
                verdicts.add(f"{column.name} is missing", _missing(values))
        if self.entity.name == "customers":
            columns["valid_from"] = self._valid_from(columns)
        if "currency" in columns:
            columns["currency"] = pc.utf8_upper(pc.utf8_trim_whitespace(one_array(columns["currency"]).cast("string")))
            verdicts.add("currency is missing", _missing(columns["currency"]))
            verdicts.add(f"currency is not {self.currency}", mask_of(pc.not_equal(columns["currency"], self.currency)))
        amount = columns.get("amount")
        return len(amount) - amount.null_count if amount is not None else 0

    def _judge_number(self, name: str, values: pa.Array, verdicts: _Verdicts) -> pa.Array:
        """NaN means missing. An amount has to be there and be finite; another number may be missing."""
        import pyarrow.compute as pc

        values = pc.if_else(pc.is_nan(values), None, values)
        verdicts.add(f"{name} is infinite", mask_of(pc.is_inf(values)))
        if name == "amount":
            verdicts.add("amount is missing", mask_of(values.is_null()))
            if self.request.returns == "refuse":
                verdicts.add("amount is negative", _negative(values))
        return values

    def _valid_from(self, columns: dict[str, pa.Array]) -> pa.Array:
        """From when a customer's attributes hold: as mapped, else since the sign-up, else for ever."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = pa.timestamp("us", "UTC")
        dawn = pa.scalar(DAWN, pa.int64()).cast(kind)
        known = [columns[name] for name in ("valid_from", "signup_ts") if name in columns]
        if not known:
            return pa.repeat(dawn, len(columns["customer_id"]))
        return pc.coalesce(*known, dawn)

    def _sort_out(
        self,
        rows: pa.RecordBatch,
        columns: dict[str, pa.Array],
        verdicts: _Verdicts,
        dropped: BoolArray,
        counts: dict[str, int],
        amounts: int,
    ) -> Cleaned:
        import pyarrow as pa

        refused = np.flatnonzero(verdicts.codes)
        table = pa.table({**columns, ROW: pa.array(np.arange(rows.num_rows))})
        if len(refused) or dropped.any():
            table = table.filter(pa.array((verdicts.codes == 0) & ~dropped))
        reasons = [verdicts.names[code] for code in verdicts.codes[refused]]
        originals = originals_json(rows.select(list(self.reads)).take(pa.array(refused)), self.sql)
        return Cleaned(table, counts, refused.astype(np.int64), reasons, originals, amounts)


def originals_json(rows: pa.RecordBatch | pa.Table, sql: Sql) -> list[str]:
    """Each row as a JSON object of texts, whatever the types: what was received can be read again."""
    if rows.num_rows == 0:
        return []
    pairs = ", ".join(f"{_literal(name)}: cast({quoted(name)} as varchar)" for name in rows.schema.names)
    texts: list[str] = sql.select(rows, value=f"to_json({{{pairs}}})")["value"].to_pylist()
    return texts


def _literal(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _missing(values: pa.Array) -> BoolArray:
    """Null, and for text also blank."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(values.type):
        blank = _missing(one_array(values.dictionary))
        indices = values.indices.fill_null(len(blank)).to_numpy(zero_copy_only=False)
        spread: BoolArray = np.append(blank, True)[indices]
        return spread
    missing = mask_of(values.is_null())
    if pa.types.is_string(values.type):
        missing = missing | mask_of(pc.equal(pc.utf8_trim_whitespace(values), ""))
    return missing


def _negative(amounts: pa.Array) -> BoolArray:
    import pyarrow.compute as pc

    return mask_of(pc.less(amounts, 0.0))
