"""From source columns to silver columns: what the user said, the rest guessed, all checked before a row is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from axiom.contracts import ENTITIES, ColumnType
from axiom.errors import MisuseError
from axiom.sources.expressions import Sql, column_named
from axiom.sources.guessing import Guesser
from axiom.sources.request import MappedColumn
from axiom.sources.values import kind_of_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from axiom.contracts import Entity
    from axiom.sources.incoming import Incoming
    from axiom.sources.request import IngestRequest

_TARGET = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED = frozenset({"bucket", "batch", "row", "as_of"})


@dataclass(frozen=True)
class Term:
    """One silver column, ready to be computed.

    Attributes:
        target: silver column.
        type: what it will hold.
        column: the source column that it copies; "" for an expression.
        expression: checked SQL; "" for a plain copy.
        reads: source columns that it needs.
    """

    target: str
    type: ColumnType
    column: str
    expression: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class SettledMapping:
    """A mapping that fits its source.

    Attributes:
        columns: what comes from where, and why; for people.
        terms: the same, ready to be computed.
        where: the filter, or None.
    """

    columns: tuple[MappedColumn, ...]
    terms: tuple[Term, ...]
    where: Term | None

    @property
    def reads(self) -> tuple[str, ...]:
        """Source columns that any term or the filter needs."""
        terms = (*self.terms, self.where) if self.where else self.terms
        return tuple(dict.fromkeys(name for term in terms for name in term.reads))

    @property
    def computed(self) -> tuple[Term, ...]:
        """The terms that are expressions, the filter last."""
        terms = tuple(term for term in self.terms if term.expression)
        return (*terms, self.where) if self.where else terms

    def has(self, target: str) -> bool:
        """Whether a silver column is mapped."""
        return any(term.target == target for term in self.terms)


def parse_map(entries: Iterable[str]) -> dict[str, str]:
    """Read `--map` entries of the form `silver_column=source column or expression`.

    Raises:
        MisuseError: an entry has no `=`, or a silver column is given twice.
    """
    mapping: dict[str, str] = {}
    for entry in entries:
        target, sign, expression = entry.partition("=")
        target = target.strip()
        if not sign or not target:
            raise MisuseError(f"{entry!r} is not a mapping", hint="for example --map customer_id=CustomerID")
        if target in mapping:
            raise MisuseError(f"{target} is mapped twice", hint="one --map for each column")
        mapping[target] = expression.strip()
    return mapping


def settle(request: IngestRequest, incoming: Incoming, sql: Sql, silver_columns: Iterable[str] = ()) -> SettledMapping:
    """Complete the request's mapping by guesses and check every part of it against the source.

    Args:
        request: what the user said.
        incoming: the open source.
        sql: checks the expressions.
        silver_columns: columns that silver has already; a new one may not differ from them in case alone.

    Raises:
        MisuseError: a target's name or an expression is malformed.
        BadInputError: a column does not exist, or a required one is neither given nor guessable.
    """
    entity = ENTITIES[request.entity]
    _check_targets(request.mapping, entity, silver_columns)
    given = [_given(target, text, incoming) for target, text in request.mapping.items() if text]
    taken = {column.expression for column in given if column.expression in incoming.schema.names}
    guesser = Guesser(entity, incoming.sample(), sql, request.time_format)
    columns = (*given, *guesser.guess(taken, request.mapping))
    if request.watermark:
        columns = _with_watermark(columns, request, incoming)
    order = {column.name: position for position, column in enumerate(entity.columns)}
    columns = tuple(sorted(columns, key=lambda column: order.get(column.target, len(order))))
    return SettledMapping(
        columns,
        tuple(_term(column, entity, incoming, sql) for column in columns),
        _filter(request.where, incoming, sql) if request.where else None,
    )


def typed_schema(incoming: Incoming, columns: Iterable[str]) -> pa.Schema:
    """Columns as expressions see them: text that looks like numbers or times is typed first."""
    import pyarrow as pa

    types = {"float": pa.float64(), "timestamp": pa.timestamp("us", "UTC"), "string": pa.string()}
    return pa.schema(
        [
            (name, types[incoming.kind(name)] if incoming.is_text else incoming.schema.field(name).type)
            for name in columns
        ]
    )


def _check_targets(mapping: Mapping[str, str], entity: Entity, silver_columns: Iterable[str]) -> None:
    seen = {name.lower(): name for name in (*silver_columns, *(column.name for column in entity.columns))}
    for target, text in mapping.items():
        if not _TARGET.fullmatch(target) or target.lower() in _RESERVED:
            raise MisuseError(
                f"{target!r} cannot name a column", hint="a letter, then letters, digits and _; not bucket, batch, row"
            )
        other = seen.setdefault(target.lower(), target)
        if other != target:
            raise MisuseError(f"{target} and {other} differ only in case", hint=f"--map {other}=…, or another name")
        canonical = entity.column(target)
        if canonical is not None and canonical.required and not text:
            raise MisuseError(f"{target} is required and cannot be left out", hint=f"--map {target}=COLUMN")
        if canonical is None and not text:
            raise MisuseError(
                f"--map {target}= leaves out a column that {entity.name} does not have", hint=f"--map {target}=COLUMN"
            )


def _given(target: str, text: str, incoming: Incoming) -> MappedColumn:
    names = incoming.schema.names
    same = [name for name in names if name.lower() == text.lower()]
    return MappedColumn(target, text if text in names or len(same) != 1 else same[0], "given")


def _with_watermark(
    columns: tuple[MappedColumn, ...], request: IngestRequest, incoming: Incoming
) -> tuple[MappedColumn, ...]:
    """A time that never decreases tells when the row could first have been known."""
    name = column_named(request.watermark, incoming.schema.names)
    if incoming.kind(name) != "timestamp" or "known_at" in request.mapping:
        return columns
    others = tuple(column for column in columns if column.target != "known_at")
    return (*others, MappedColumn("known_at", name, "the watermark says when a row was known"))


def _term(column: MappedColumn, entity: Entity, incoming: Incoming, sql: Sql) -> Term:
    canonical = entity.column(column.target)
    if column.expression in incoming.schema.names:
        kind = canonical.type if canonical else incoming.kind(column.expression)
        return Term(column.target, kind, column.expression, "", (column.expression,))
    reads, result = _checked(column.expression, incoming, sql)
    return Term(column.target, canonical.type if canonical else kind_of_type(result), "", column.expression, reads)


def _filter(expression: str, incoming: Incoming, sql: Sql) -> Term:
    import pyarrow as pa

    reads, result = _checked(expression, incoming, sql)
    if not pa.types.is_boolean(result):
        raise MisuseError(f"--where {expression!r} is neither true nor false", hint='for example "amount > 0"')
    return Term("where", "float", "", expression, reads)


def _checked(expression: str, incoming: Incoming, sql: Sql) -> tuple[tuple[str, ...], pa.DataType]:
    names = incoming.schema.names
    try:
        reads = sql.columns_of(expression, names)
    except MisuseError:
        # `Customer ID` or `Prise` look like bad syntax or an unknown name, and mean a column.
        if re.fullmatch(r"[\w ]+", expression):
            column_named(expression, names)
        raise
    return reads, sql.type_of(expression, typed_schema(incoming, reads))
