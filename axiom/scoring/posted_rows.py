"""Rows of one entity that come with a request: every field is checked, nothing is repaired or left out in silence."""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.errors import BadInputError
from axiom.features.plan import value_type
from axiom.sources.cleaning import DAWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from axiom.contracts import Entity

CUSTOMER = "customer_id"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_TEXT = 1_000


@dataclass(frozen=True)
class PostedEntity:
    """How rows of an entity are read.

    Attributes:
        entity: its canonical columns.
        types: column -> Arrow type as text, of every column that a row may have.
        reads: columns that features read.
        amounts: whether every row must have an amount; else all or none.
        negative: whether amounts may be negative.
    """

    entity: Entity
    types: Mapping[str, str]
    reads: tuple[str, ...]
    amounts: bool
    negative: bool

    def columns(self, rows: Sequence[Mapping[str, Any]], cut: int) -> dict[str, list[Any]]:
        """Typed values by column; times in microseconds; `customer_id` only where rows give it.

        Args:
            rows: as posted.
            cut: the cut-off in microseconds: every row has to be before.

        Raises:
            BadInputError: names the row (counted from 0), the field and what is wrong.
        """
        found: dict[str, list[Any]] = {name: [] for name in self.types if name != CUSTOMER}
        customers = []
        priced = self.amounts or any(isinstance(row, dict) and row.get("amount") is not None for row in rows)
        for place, row in enumerate(rows):
            where = f"{self.entity.name}[{place}]"
            if not isinstance(row, dict):
                raise BadInputError(f"{where} is no object with fields")
            self._check_names(where, row)
            for name, values in found.items():
                values.append(self._value(where, name, row.get(name)))
            if row.get(CUSTOMER) is not None:
                customers.append(_text(f"{where}.{CUSTOMER}", row[CUSTOMER]))
            self._check_row(where, {name: values[-1] for name, values in found.items()}, cut, priced=priced)
            if self.entity.name == "customers":
                _hold_since(found)
        return {**found, CUSTOMER: customers} if customers else found

    def table(self, columns: Mapping[str, list[Any]]) -> pa.Table:
        """Rows as silver has them, sorted by time, of a customer called ""."""
        import pyarrow as pa
        import pyarrow.compute as pc

        times = np.array(columns[self.entity.time_column], dtype=np.int64)
        arrays = {name: self._array(name, columns[name]) for name in self.reads if name in columns}
        table = pa.table({CUSTOMER: pa.repeat(pa.scalar("", pa.string()), len(times)), **arrays})
        order = np.argsort(times, kind="stable")
        return pc.take(table, pa.array(order)) if (np.diff(order) < 0).any() else table

    def _array(self, name: str, values: list[Any]) -> pa.Array:
        import pyarrow as pa

        kind = self.types[name]
        if value_type(kind) == "text":
            return pa.array(values, pa.string())
        if value_type(kind) == "time":
            moments = pa.array(values, pa.int64()).cast(pa.timestamp("us", "UTC"))
            return moments.cast(pa.type_for_alias(kind)) if kind.startswith("date") else moments
        return (
            pa.array(values, pa.float64()) if kind == "double" else _narrow(f"{self.entity.name}.{name}", values, kind)
        )

    def _check_names(self, where: str, row: Mapping[str, Any]) -> None:
        unknown = sorted(str(name)[:80] for name in row.keys() - self.types.keys())
        if unknown:
            raise BadInputError(
                f"{where} has the unknown field {unknown[0]!r}", hint=f"it may have {', '.join(sorted(self.types))}"
            )

    def _value(self, where: str, name: str, value: Any) -> Any:
        if value is None:
            return None
        kind = value_type(self.types[name])
        if kind == "text":
            return _text(f"{where}.{name}", value)
        return _time(f"{where}.{name}", value) if kind == "time" else _number(f"{where}.{name}", value)

    def _check_row(self, where: str, row: Mapping[str, Any], cut: int, *, priced: bool) -> None:
        for column in self.entity.columns:
            if column.required and column.name != CUSTOMER and row[column.name] in (None, ""):
                raise BadInputError(f"{where}.{column.name} is missing")
        if self.entity.name == "transactions" and "amount" in row:
            if priced and row["amount"] is None:
                raise BadInputError(f"{where}.amount is missing")
            if not self.negative and row["amount"] is not None and row["amount"] < 0:
                raise BadInputError(f"{where}.amount is negative: {row['amount']:g}", hint="leave returns out")
        for name in (self.entity.time_column, "signup_ts", "known_at"):
            moment = row.get(name)
            # What became known at the very cut-off counts, what happened then does not: as in every build.
            if moment is not None and (moment > cut or (moment == cut and name != "known_at")):
                raise BadInputError(
                    f"{where}.{name} is {_EPOCH + timedelta(microseconds=moment)}, not before the cut-off "
                    f"{_EPOCH + timedelta(microseconds=cut)}",
                    hint="leave out what had not happened or was not known, or ask for a later as_of",
                )


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of a time with a zone."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _hold_since(columns: dict[str, list[Any]]) -> None:
    """From when the last row's attributes hold: as given, else since the sign-up, else for ever; as in the ingest."""
    if columns["valid_from"][-1] is None:
        signed_up = columns["signup_ts"][-1] if "signup_ts" in columns else None
        columns["valid_from"][-1] = DAWN if signed_up is None else signed_up


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadInputError(f"{where} must be text, not {shown(value)}")
    if len(value) > _LONGEST_TEXT:
        raise BadInputError(f"{where} has {len(value):,} characters, more than {_LONGEST_TEXT:,}")
    return value


def _number(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInputError(f"{where} must be a number, not {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadInputError(f"{where} is {shown(value)}, not a finite number")
    return number


def _time(where: str, value: Any) -> int:
    try:
        moment = _moment(value)
        found = None if moment is None else microseconds(moment)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise BadInputError(f"{where} is no time: {shown(value)}", hint="for example 2024-05-31T12:00:00Z")
    if found < DAWN:
        raise BadInputError(f"{where} is before 1900: {shown(value)}")
    return found


def _moment(value: Any) -> datetime | None:
    """A time in UTC; None where it is of a kind that says no time."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _narrow(where: str, values: list[Any], kind: str) -> pa.Array:
    """Numbers in another type than float64, which only queries can tell."""
    import pyarrow as pa

    try:
        return pa.array(values, pa.float64()).cast(pa.type_for_alias(kind))
    except (pa.ArrowInvalid, ValueError) as error:
        raise BadInputError(f"{where} does not fit {kind}: {error}") from error


def shown(value: Any) -> str:
    """A value for a message: at most 41 characters, and no RecursionError of what is nested a thousand deep."""
    brief = reprlib.Repr()
    brief.maxlong = brief.maxstring = 1_000
    text = brief.repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
