"""Typing: any Arrow column as text, as numbers or as times, with the values that do not fit marked, never lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from axiom.errors import BadInputError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from axiom.contracts import ColumnType
    from axiom.maths.arrays import BoolArray
    from axiom.sources.expressions import Sql

EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
_YYYYMMDD = (19_000_101, 22_001_231)


class Typed(NamedTuple):
    """A typed column. `bad` marks the n values that were there and could not be read; they are null in `values`."""

    values: pa.Array
    bad: BoolArray


def one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The column as one array, with plain 32-bit strings."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column
        chunks = column.chunks or [pa.array([], column.type)]
        column = pa.concat_arrays(chunks) if len(chunks) > 1 else chunks[0]
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    return column


def to_text(column: pa.Array) -> Typed:
    """Any column as text. Whole floats lose their ".0": a pandas column of ids with gaps holds 17850.0 for 17850."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _per_distinct(column, to_text)
    if pa.types.is_nested(kind):
        raise BadInputError(f"a column of type {kind} has no text form", hint="map one of its parts by an expression")
    if pa.types.is_floating(kind):
        return _fits(column, _float_text(column))
    if pa.types.is_decimal(kind) and kind.scale > 0:
        text = pc.replace_substring_regex(column.cast(pa.string()), r"\.?0+$", "")
        return _fits(column, text)
    try:
        return _fits(column, column.cast(pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInputError(f"a column of type {kind} has no text form ({error})", hint="cast it in the map") from error


def to_number(column: pa.Array, sql: Sql) -> Typed:
    """Any column as float64; text is read as a plain decimal number."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        return _per_distinct(column, lambda distinct: to_number(distinct, sql))
    if pa.types.is_string(kind):
        numbers = sql.select(pa.table({"value": column}), value="try_cast(trim(value) as double)")["value"]
        return _fits(column, one_array(numbers), missing=_blank(column))
    if pa.types.is_temporal(kind) or pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return _fits(column, pa.nulls(len(column), pa.float64()))
    return _fits(column, column.cast(pa.float64(), safe=False))


def to_time(column: pa.Array, sql: Sql, time_format: str = "") -> Typed:
    """Any column as microseconds UTC; times without a zone are read in the zone of `sql`.

    Args:
        column: timestamps, dates, YYYYMMDD numbers, ISO 8601 text, or what `time_format` says.
        sql: does the parsing.
        time_format: strptime format of text; `epoch_s`, `epoch_ms` or `epoch_us` for numbers.

    Raises:
        MisuseError: `time_format` is not a format.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, target = column.type, pa.timestamp("us", "UTC")
    if pa.types.is_dictionary(kind):
        return _per_distinct(column, lambda distinct: to_time(distinct, sql, time_format))
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return _fits(column, column.cast(target, safe=False))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        naive = column.cast(pa.timestamp("us"), safe=False)
        zoned = pc.assume_timezone(naive, sql.timezone, ambiguous="earliest", nonexistent="latest")
        return _fits(column, zoned.cast(target))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _number_time(column, sql, time_format)
    if pa.types.is_string(kind):
        return _text_time(column, sql, time_format)
    return _fits(column, pa.nulls(len(column), target))


def _per_distinct(column: pa.DictionaryArray, convert: Callable[[pa.Array], Typed]) -> Typed:
    """Convert each distinct value once, then spread the answers over the rows."""
    typed = convert(one_array(column.dictionary))
    indices = column.indices
    if indices.null_count:
        bad = np.append(typed.bad, False)[indices.fill_null(len(typed.bad)).to_numpy(zero_copy_only=False)]
    else:
        bad = typed.bad[indices.to_numpy(zero_copy_only=False)]
    return Typed(typed.values.take(indices), bad)


def _fits(before: pa.Array, after: pa.Array, *, missing: BoolArray | None = None) -> Typed:
    """Bad is what was there before and is null after; `missing` marks what counts as not there."""
    if after.null_count == before.null_count:
        return Typed(after, np.zeros(len(after), dtype=np.bool_))
    bad = mask_of(after.is_null()) & ~mask_of(before.is_null(nan_is_null=True))
    return Typed(after, bad if missing is None else bad & ~missing)


def kind_of_type(kind: pa.DataType) -> ColumnType:
    """What silver makes of a column of this type: numbers, times, or else text."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return kind_of_type(kind.value_type)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "timestamp"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "float"
    return "string"


def kind_of_text(column: pa.Array, sql: Sql) -> ColumnType:
    """What text looks like. Numbers with leading zeros are names, not amounts."""
    import pyarrow.compute as pc

    present = column.drop_null()
    if len(present) == 0:
        return "string"
    if not to_number(present, sql).bad.any():
        return "string" if mask_of(pc.match_substring_regex(present, r"^\s*[-+]?0\d")).any() else "float"
    return "string" if to_time(present, sql).bad.any() else "timestamp"


def mask_of(column: pa.Array | pa.ChunkedArray) -> BoolArray:
    """An Arrow column of booleans as numpy; null is False."""
    mask: BoolArray = one_array(column).fill_null(False).to_numpy(zero_copy_only=False)  # noqa: FBT003
    return mask


def _blank(column: pa.Array) -> BoolArray:
    import pyarrow.compute as pc

    return mask_of(pc.equal(pc.utf8_trim_whitespace(column), ""))


def _float_text(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.cast(pa.float64())
    values = pc.if_else(pc.is_nan(values), None, values)
    whole = pc.and_(pc.equal(pc.trunc(values), values), pc.less(pc.abs(values), 2.0**53))
    as_integer = pc.if_else(whole, values, 0.0).cast(pa.int64()).cast(pa.string())
    return pc.if_else(whole, as_integer, values.cast(pa.string()))


def _number_time(column: pa.Array, sql: Sql, time_format: str) -> Typed:
    import pyarrow as pa
    import pyarrow.compute as pc

    if time_format in EPOCHS:
        micros = pc.multiply(column.cast(pa.float64()), float(EPOCHS[time_format]))
        sane = pc.less(pc.abs(micros), 2.0**62)  # beyond it the integer would wrap around
        whole = pc.round(pc.if_else(sane, micros, None)).cast(pa.int64())
        return _fits(column, whole.cast(pa.timestamp("us", "UTC")))
    text = to_text(column).values
    if time_format:
        return _text_time(text, sql, time_format)
    numbers = column.cast(pa.float64(), safe=False)
    plausible = pc.and_(pc.greater_equal(numbers, _YYYYMMDD[0]), pc.less_equal(numbers, _YYYYMMDD[1]))
    return _fits(column, _text_time(pc.if_else(plausible, text, None), sql, "%Y%m%d").values)


def _text_time(column: pa.Array, sql: Sql, time_format: str) -> Typed:
    import pyarrow as pa

    if time_format in EPOCHS:
        numbers = to_number(column, sql)
        typed = _number_time(numbers.values, sql, time_format)
        return Typed(typed.values, typed.bad | numbers.bad)
    if time_format:
        _check_format(time_format, sql)
        literal = time_format.replace("'", "''")
        parsed = f"cast(try_strptime(trim(value), '{literal}') as timestamptz)"
    else:
        # DuckDB also reads `infinity` and the like; a time starts with a digit.
        parsed = (
            "case when not regexp_matches(value, '^\\s*\\d') then null "
            "when regexp_full_match(trim(value), '\\d{8}') "
            "then cast(try_strptime(trim(value), '%Y%m%d') as timestamptz) else try_cast(value as timestamptz) end"
        )
    times = one_array(sql.select(pa.table({"value": column}), value=parsed)["value"])
    return _fits(column, times.cast(pa.timestamp("us", "UTC")), missing=_blank(column))


def _check_format(time_format: str, sql: Sql) -> None:
    import pyarrow as pa

    literal = time_format.replace("'", "''")
    try:
        sql.select(pa.table({"value": ["1"]}), value=f"try_strptime(value, '{literal}')")
    except BadInputError:
        raise MisuseError(
            f"{time_format!r} is not a time format", hint="for example '%d/%m/%Y %H:%M', or epoch_s"
        ) from None
