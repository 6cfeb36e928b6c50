"""Scalar SQL expressions over the columns of a source, checked before they run."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from axiom.errors import BadInputError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

_SCALAR = frozenset(
    {"COLUMN_REF", "CONSTANT", "FUNCTION", "OPERATOR", "COMPARISON", "CONJUNCTION", "CASE", "CAST", "TYPE"}
    | {"BETWEEN", "COLLATE"}
)
_NAMES = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "STAR": "a star",
    "PARAMETER": "a parameter",
    "LAMBDA": "a lambda",
}


@dataclass(frozen=True)
class Sql:
    """An in-memory DuckDB with the file system and the network closed to it, for typing and expressions.

    Attributes:
        timezone: IANA zone in which times without one are read.
    """

    timezone: str = "UTC"

    @cached_property
    def _connection(self) -> Any:
        import duckdb

        connection = duckdb.connect()
        connection.execute("SET TimeZone = $zone", {"zone": self.timezone})
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        return connection

    @cached_property
    def _pure_functions(self) -> frozenset[str]:
        """Functions that give the same answer for the same row, so that the same file gives the same batch."""
        rows = self._connection.execute(
            "select function_name from duckdb_functions() group by function_name "
            "having bool_and(function_type in ('scalar', 'macro') and coalesce(stability, 'CONSISTENT') = 'CONSISTENT')"
        ).fetchall()
        return frozenset(name for (name,) in rows) - _IMPURE

    def select(self, table: pa.Table | pa.RecordBatch, **expressions: str) -> pa.Table:
        """Evaluate checked expressions over `table`, in the order of its rows.

        Raises:
            BadInputError: an expression cannot be evaluated on some row.
        """
        import duckdb
        import pyarrow as pa

        source = pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
        if source.num_columns == 0:  # constants need rows to be repeated for
            source = pa.table({"row": pa.nulls(source.num_rows)})
        columns = ", ".join(f"({text}\n) as {quoted(name)}" for name, text in expressions.items())
        self._connection.register("source", source)
        try:
            return self._connection.sql(f"select {columns} from source").to_arrow_table()
        except duckdb.Error as error:
            raise BadInputError(
                f"cannot evaluate {'; '.join(expressions.values())}: {str(error).splitlines()[0]}",
                hint="try_cast(… as double) gives null instead of an error",
            ) from error
        finally:
            self._connection.unregister("source")

    def columns_of(self, expression: str, names: Sequence[str]) -> tuple[str, ...]:
        """Those of the columns `names` that a scalar expression reads.

        Raises:
            MisuseError: it is not a scalar expression, or uses a subquery, an aggregate, or a function whose answer
                changes from call to call.
            BadInputError: it names a column that the source does not have.
        """
        found: dict[str, None] = {}
        for node in _nodes(self._parse(expression)):
            kind, name = node["class"], str(node.get("function_name", ""))
            if kind not in _SCALAR:
                raise MisuseError(f"{expression!r} uses {_NAMES.get(kind, kind.lower())}", hint=_HINT)
            if kind == "FUNCTION" and name not in self._pure_functions:
                raise MisuseError(f"{expression!r} uses {name}, which is not a plain scalar function", hint=_HINT)
            if kind == "COLUMN_REF":
                found[column_named(".".join(node["column_names"]), names)] = None
        return tuple(found)

    def type_of(self, expression: str, schema: pa.Schema) -> pa.DataType:
        """The Arrow type that a checked expression gives over `schema`.

        Raises:
            MisuseError: the types of its columns do not allow it.
        """
        try:
            return self.select(schema.empty_table(), value=expression).schema.field("value").type
        except BadInputError as error:
            raise MisuseError(error.message, hint="try_cast(column as double) reads text as a number") from error

    def _parse(self, expression: str) -> dict[str, Any]:
        # In brackets, so that nothing but one expression can parse; the newline ends a trailing comment.
        text = f"select ({expression}\n) from source"
        rows = self._connection.execute("select json_serialize_sql($text::varchar)", {"text": text}).fetchall()
        parsed = json.loads(rows[0][0])
        if parsed["error"] or not expression.strip():
            reason = parsed.get("error_message", "it is empty")
            raise MisuseError(f"{expression!r} is not an expression: {reason}", hint=_HINT)
        node: dict[str, Any] = parsed["statements"][0]["node"]
        whole = len(parsed["statements"]) == 1 and node["type"] == "SELECT_NODE" and len(node["select_list"]) == 1
        if not whole or node["from_table"].get("table_name") != "source":
            raise MisuseError(f"{expression!r} is not one expression", hint=_HINT)
        chosen: dict[str, Any] = node["select_list"][0]
        return chosen


_HINT = 'only columns of the source and scalar functions, for example "amount=Quantity*UnitPrice"'
# DuckDB calls these consistent, but they tell about the process instead of the row, or make rows.
_IMPURE = frozenset(
    {"age", "unnest", "getvariable", "getenv", "current_setting", "version", "error", "row", "struct_pack"}
)


def quoted(name: str) -> str:
    """`name` as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def column_named(name: str, names: Sequence[str]) -> str:
    """The source's own spelling of `name`; upper and lower case are the same where that is unambiguous.

    Raises:
        BadInputError: there is no such column; the nearest names are given.
    """
    if name in names:
        return name
    same = [candidate for candidate in names if candidate.lower() == name.lower()]
    if len(same) == 1:
        return same[0]
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    shown = ", ".join(names[:12]) + (f", … ({len(names)} columns)" if len(names) > 12 else "")
    way_out = f"did you mean {' or '.join(close)}?" if close else f"it has {shown}"
    raise BadInputError(f"the source has no column {name!r}", hint=way_out)


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(tree, dict):
        if "class" in tree:
            yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)
