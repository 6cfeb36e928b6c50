"""The user's own SELECT as a feature: checked to read the visible rows and nothing else, run by DuckDB in the task."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from axiom.contracts import ENTITIES
from axiom.errors import BadInputError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from axiom.features.definitions import Feature

_TABLE_FUNCTIONS = frozenset({"unnest", "range", "generate_series"})
_CLOCK = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tables_of(feature: Feature, holds: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
    """The entities that the query of a `sql` feature reads.

    Raises:
        MisuseError: it is not one SELECT, or reads anything but `transactions`, `events` and `customers`, or calls a
            function whose value changes from run to run.
        BadInputError: the lake holds no rows of an entity it reads.
    """
    tree, names, parameters = _parse(feature.query, feature.name)
    for function in _find(tree, "TABLE_FUNCTION"):
        called = function["function"]["function_name"]
        if called not in _TABLE_FUNCTIONS:
            raise _refused(feature.name, f"calls the table function {called}")
    calls = [call["function_name"].lower() for call in _find(tree, "FUNCTION")]
    # The parser leaves current_date and its kin as names, like columns.
    words = [reference["column_names"][-1].lower() for reference in _find(tree, "COLUMN_REF")]
    for called in (*calls, *(word for word in words if word in _CLOCK)):
        if called in _unstable_functions() or called in _CLOCK:
            raise _refused(feature.name, f"calls {called}, whose value changes from run to run")
    if _samples(tree):
        raise _refused(feature.name, "draws a random sample")
    if parameters - {"as_of"}:
        raise _refused(feature.name, f"has the parameter ${min(parameters - {'as_of'})}")
    for name in sorted(names):
        if name not in ENTITIES:
            raise _refused(feature.name, f"reads {name!r}")
        if name not in holds:
            raise BadInputError(
                f"feature {feature.name} reads {name}, and the lake holds none", hint=f"ingest {name} first"
            )
    return frozenset(names)


def describe_query(
    feature: Feature, holds: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[str, Literal["number", "text"]], ...]:
    """Names and types of the columns that the query adds, found by running it over no rows.

    Raises:
        MisuseError: the query is refused or not valid, or gives no customer_id, or a type that is no number or text.
        BadInputError: the lake holds no rows of an entity it reads.
    """
    import pyarrow as pa

    tables = {name: _empty(holds[name]) for name in tables_of(feature, holds)}
    schema = run_query(feature, tables, 0).schema
    found: list[tuple[str, Literal["number", "text"]]] = []
    for field in schema:
        if field.name == "customer_id":
            continue
        if pa.types.is_string(field.type):
            found.append((field.name, "text"))
        elif _is_number(field.type):
            found.append((field.name, "number"))
        else:
            raise MisuseError(
                f"feature {feature.name}: column {field.name} is of type {field.type}, not a number or a text",
                hint="cast it, for example epoch(ts) / 86400 for days",
            )
    if "customer_id" not in schema.names or not found or not pa.types.is_string(schema.field("customer_id").type):
        raise MisuseError(
            f"feature {feature.name}: the query gives {', '.join(schema.names)}",
            hint="it has to give customer_id, as text, and at least one more column",
        )
    return tuple(found)


def run_query(feature: Feature, tables: Mapping[str, pa.Table], as_of: int) -> pa.Table:
    """Run the query over rows that are visible at `as_of`.

    Args:
        feature: a `sql` feature.
        tables: entity -> visible rows; nothing else can be read.
        as_of: microseconds since 1970.

    Raises:
        MisuseError: DuckDB refuses the query; the message is DuckDB's.
        BadInputError: the query gives a customer twice.
    """
    import duckdb

    with _connection() as connection:
        for name, table in tables.items():
            connection.register(name, table)
        uses_as_of = "as_of" in _parse(feature.query, feature.name)[2]
        moment = _EPOCH + timedelta(microseconds=as_of)
        try:
            result = connection.sql(feature.query, params={"as_of": moment} if uses_as_of else None)
            found = result.to_arrow_table()
        except duckdb.Error as error:
            raise MisuseError(f"feature {feature.name}: {str(error).splitlines()[0]}") from error
    if "customer_id" in found.column_names:
        customers = found["customer_id"]
        if len(customers) != len(customers.unique()):
            raise BadInputError(
                f"feature {feature.name}: the query gives a customer more than once", hint="group by customer_id"
            )
    return found


@contextmanager
def _connection() -> Iterator[Any]:
    """DuckDB with every door shut: no files, no network, no extensions, no variables of the process."""
    import duckdb

    # One thread: the order of additions, and so the last bit of every sum, is the same in every run.
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            "SET TimeZone = 'UTC'; SET python_enable_replacements = false; SET autoinstall_known_extensions = false; "
            "SET autoload_known_extensions = false; SET enable_external_access = false; SET lock_configuration = true"
        )
        yield connection


@lru_cache(maxsize=256)
def _parse(query: str, name: str) -> tuple[Any, frozenset[str], frozenset[str]]:
    """The syntax tree of one SELECT, the tables it names, its parameters."""
    import duckdb

    with _connection() as connection:
        try:
            statements = connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise MisuseError(f"feature {name}: the query is not one SELECT statement")
            (text,) = connection.execute("SELECT json_serialize_sql($query)", {"query": query}).fetchone()
        except duckdb.Error as error:
            raise MisuseError(f"feature {name}: {str(error).splitlines()[0]}") from error
    tree = json.loads(text)
    if tree["error"]:
        raise MisuseError(f"feature {name}: {tree['error_message']}")
    tables = {_table_name(node) for node in _find(tree, "BASE_TABLE")}
    return tree, frozenset(tables - _defined_by_with(tree)), frozenset(statements[0].named_parameters)


def _table_name(node: Mapping[str, Any]) -> str:
    return ".".join(part for part in (node["catalog_name"], node["schema_name"], node["table_name"]) if part).lower()


def _defined_by_with(tree: Any) -> set[str]:
    if isinstance(tree, dict):
        own = {entry["key"].lower() for entry in tree.get("cte_map", {}).get("map", ())}
        return own.union(*(_defined_by_with(value) for value in tree.values()))
    return set().union(*(_defined_by_with(value) for value in tree)) if isinstance(tree, list) else set()


def _samples(tree: Any) -> bool:
    if isinstance(tree, dict):
        return tree.get("sample") is not None or any(_samples(value) for value in tree.values())
    return isinstance(tree, list) and any(_samples(value) for value in tree)


def _find(tree: Any, kind: str) -> Iterator[Any]:
    if isinstance(tree, dict):
        if tree.get("type") == kind or tree.get("class") == kind:
            yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for value in tree:
            yield from _find(value, kind)


@lru_cache(maxsize=1)
def _unstable_functions() -> frozenset[str]:
    with _connection() as connection:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability IS DISTINCT FROM 'CONSISTENT' "
            "AND function_type = 'scalar'"
        ).fetchall()
    return frozenset(name for (name,) in rows)


def _empty(columns: Mapping[str, str]) -> pa.Table:
    import pyarrow as pa

    def kind(text: str) -> pa.DataType:
        if text.startswith("timestamp"):
            return pa.timestamp("us", "UTC")
        return pa.string() if "string" in text else pa.type_for_alias(text)

    return pa.schema([(name, kind(text)) for name, text in columns.items()]).empty_table()


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow.types as pt

    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind) or pt.is_boolean(kind))


def _refused(name: str, what: str) -> MisuseError:
    return MisuseError(
        f"feature {name}: the query {what}",
        hint="it may read transactions, events and customers, and $as_of, and nothing else",
    )
