"""Guessing which column means what, from names and types; never silently where it could be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from axiom.errors import BadInputError
from axiom.sources.expressions import Sql, quoted
from axiom.sources.introspect import looks_like_key, plain_name
from axiom.sources.request import MappedColumn
from axiom.sources.values import Typed, kind_of_text, one_array, to_number, to_text, to_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from axiom.contracts import Column, Entity

_LOOK = 1_000
_SHOWN = 12
# Names that fit many things: taken only where no column has a better one.
_GENERIC = frozenset(
    {
        "id",
        "date",
        "datetime",
        "timestamp",
        "time",
        "ts",
        "createdat",
        "price",
        "value",
        "total",
        "sales",
        "type",
        "event",
    }
)
_PRICES = frozenset({"price", "unitprice", "priceperunit", "itemprice"})
_QUANTITIES = frozenset({"quantity", "qty", "units"})


@dataclass(frozen=True)
class Guesser:
    """Looks at a sample of a source, and says which column each canonical column of an entity comes from.

    Attributes:
        entity: whose columns are wanted.
        sample: first rows of the source.
        sql: parses text.
        time_format: as the user gave it.
    """

    entity: Entity
    sample: pa.Table
    sql: Sql
    time_format: str = ""

    def guess(self, taken: Iterable[str] = (), settled: Iterable[str] = ()) -> tuple[MappedColumn, ...]:
        """Guess every canonical column.

        Args:
            taken: source columns that are used already.
            settled: canonical columns that need no guess.

        Raises:
            BadInputError: a required column has no candidate, or a column has several that are equally good.
        """
        used, done, found = set(taken), set(settled), []
        for column in self.entity.columns:
            if column.name in done:
                continue
            guess = self._guess(column, used)
            if guess is not None:
                found.append(guess)
                used.add(guess.expression)
            elif column.required:
                raise self._missing(column)
        return tuple(found)

    def _guess(self, column: Column, used: set[str]) -> MappedColumn | None:
        candidates = {
            name: plain_name(name)
            for name in self.sample.column_names
            if name not in used and self._is_called(column, name) and self._fits(column, name)
        }
        exact = [name for name, plain in candidates.items() if plain == plain_name(column.name)]
        specific = [name for name, plain in candidates.items() if plain not in _GENERIC]
        best = exact or specific or list(candidates)
        if len(best) > 1 and column.name == "known_at":
            best = sorted(best, key=lambda name: column.aliases.index(candidates[name]))[:1]
        if len(best) > 1:
            raise self._ambiguous(column, best)
        if column.name == "amount" and (not best or candidates[best[0]] in _PRICES):
            product = self._price_times_quantity(used)
            if product is not None:
                return product
        if best:
            return MappedColumn(column.name, best[0], f"by its name {best[0]!r}{self._evidence(column)}")
        return self._only_one_with_times(column, used) if column.required and column.type == "timestamp" else None

    def _is_called(self, column: Column, name: str) -> bool:
        plain = plain_name(name)
        return plain == plain_name(column.name) or plain in column.aliases

    def _fits(self, column: Column, name: str) -> bool:
        values = self._head[name]
        if column.type == "timestamp":
            present = len(values) > values.null_count
            return present and _mostly(to_time(values, self.sql, self.time_format), values)
        if column.type == "float":
            return self._is_number(name)
        if column.name == "customer_id":
            return self._could_be_customer(name, values)
        # An order id on every line of an order is no key: its lines would correct each other.
        return column.name != self.entity.key_column or self._never_repeats(name)

    def _could_be_customer(self, name: str, values: pa.Array) -> bool:
        """An `id` that never repeats is the order's in a table of orders, and the customer's in one of customers."""
        import pyarrow as pa

        if pa.types.is_temporal(values.type) or pa.types.is_nested(values.type) or pa.types.is_boolean(values.type):
            return False
        if pa.types.is_floating(values.type) and any("." in text for text in _texts(values)):
            return False
        unique_id = plain_name(name) == "id" and looks_like_key(one_array(self.sample[name]))
        return not unique_id or self.entity.name == "customers"

    def _never_repeats(self, name: str) -> bool:
        import pyarrow.compute as pc

        present = to_text(one_array(self.sample[name])).values.drop_null()
        return bool(len(pc.unique(one_array(present))) == len(present))

    def _price_times_quantity(self, used: set[str]) -> MappedColumn | None:
        names = [name for name in self.sample.column_names if name not in used]
        prices = [name for name in names if plain_name(name) in _PRICES and self._is_number(name)]
        quantities = [name for name in names if plain_name(name) in _QUANTITIES and self._is_number(name)]
        if len(prices) != 1 or len(quantities) != 1:
            return None
        product = f"{quoted(quantities[0])} * {quoted(prices[0])}"
        return MappedColumn("amount", product, f"{quantities[0]!r} pieces at {prices[0]!r} each")

    def _only_one_with_times(self, column: Column, used: set[str]) -> MappedColumn | None:
        """The fallback by type: the one column that holds times and nothing else does."""
        import pyarrow as pa

        times = [
            name
            for name, values in self._head.items()
            if name not in used
            and (
                pa.types.is_temporal(values.type)
                or (pa.types.is_string(values.type) and kind_of_text(values, self.sql) == "timestamp")
            )
        ]
        return MappedColumn(column.name, times[0], "the only column with times") if len(times) == 1 else None

    def _is_number(self, name: str) -> bool:
        return _mostly(to_number(self._head[name], self.sql), self._head[name])

    def _evidence(self, column: Column) -> str:
        return {"timestamp": ", its values are times", "float": ", its values are numbers"}.get(column.type, "")

    @cached_property
    def _head(self) -> dict[str, pa.Array]:
        return {name: one_array(self.sample[name].slice(0, _LOOK)) for name in self.sample.column_names}

    def _ambiguous(self, column: Column, names: list[str]) -> BadInputError:
        return BadInputError(
            f"{column.name} could be {' or '.join(names)}",
            hint=f"say which: --map {column.name}={names[0]}",
        )

    def _missing(self, column: Column) -> BadInputError:
        named = [name for name in self.sample.column_names if self._is_called(column, name)]
        if named and column.type == "timestamp":
            example = self._unreadable_example(named[0])
            return BadInputError(
                f"{named[0]} is called like {column.name}, but {example!r} is not a time",
                hint=f"say its form: --map {column.name}={named[0]} --time-format '%d/%m/%Y %H:%M' (or epoch_s)",
            )
        if named:
            why = f"{named[0]} never repeats, so it looks like the id of a row" if column.name == "customer_id" else ""
            return BadInputError(
                f"no column looks like {column.name}" + (f": {why}" if why else ""),
                hint=f"say which: --map {column.name}={named[0]}",
            )
        names = self.sample.column_names
        shown = ", ".join(names[:_SHOWN]) + (f", … ({len(names)} columns)" if len(names) > _SHOWN else "")
        return BadInputError(
            f"no column looks like {column.name}", hint=f"say which: --map {column.name}=…; there are {shown}"
        )

    def _unreadable_example(self, name: str) -> str:
        import pyarrow as pa

        values = self._head[name]
        bad = to_time(values, self.sql, self.time_format).bad
        return next(iter(_texts(values.filter(pa.array(bad)))), "null")


def _mostly(typed: Typed, values: pa.Array) -> bool:
    """Whether at least half of the values that are there could be read: a few bad rows do not hide a column."""
    return 2 * int(typed.bad.sum()) <= int(len(values) - values.null_count)


def _texts(values: pa.Array) -> list[str]:
    return [text for text in to_text(values).values.to_pylist() if text]
