"""Conditions of features on rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from axiom.features.kinds import DERIVED_COLUMNS
from axiom.features.rows import DAY, Rows

if TYPE_CHECKING:
    from axiom.features.definitions import Filter
    from axiom.maths.arrays import BoolArray, FloatArray, IntArray

_HOUR = DAY // 24


def derived(rows: Rows, column: str) -> IntArray:
    """`day` (days since 1970), `hour` (0-23) or `weekday` (0 is Monday) of the event time, in UTC."""
    if column == "hour":
        return rows.ts // _HOUR % 24
    day = rows.ts // DAY
    # 1970-01-01 was a Thursday.
    return day if column == "day" else (day + 3) % 7


def matches(rows: Rows, conditions: tuple[Filter, ...]) -> BoolArray:
    """Which of n rows meet all conditions; a null meets none."""
    mask = np.ones(len(rows), dtype=np.bool_)
    for condition in conditions:
        mask &= _match(rows, condition)
    return mask


def _match(rows: Rows, condition: Filter) -> BoolArray:
    text = rows.texts.get(condition.column)
    if text is not None and condition.column not in DERIVED_COLUMNS:
        wanted = text.where(condition.values)
        if condition.operator == "not_in":
            wanted = ~wanted
            wanted[-1] = False
        places = np.flatnonzero(wanted)
        if len(places) == 1:  # the common case, and comparing is several times faster than looking up
            picked: BoolArray = text.codes == places[0]
        else:
            picked = wanted[text.codes]
        return picked
    if condition.column in DERIVED_COLUMNS:
        return _compare(derived(rows, condition.column), condition)
    values = rows.numbers[condition.column]
    return _compare(values, condition) & ~np.isnan(values)


_COMPARE = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}


def _compare(values: FloatArray | IntArray, condition: Filter) -> BoolArray:
    numbers = np.array(condition.values, dtype=np.float64)
    if condition.operator in _COMPARE:
        compared: BoolArray = _COMPARE[condition.operator](values, numbers[0])
        return compared
    found = np.isin(values, numbers)
    return ~found if condition.operator == "not_in" else found
