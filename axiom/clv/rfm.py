"""From transactions to (x, t_x, T, mean spend): the summary that all purchase models take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from axiom.clv.inputs import numbers, refuse

if TYPE_CHECKING:
    from datetime import date

    import numpy.typing as npt

    from axiom.maths.arrays import ArrayLike, FloatArray, IntArray

_SECONDS = {"W": 604_800, "D": 86_400, "h": 3_600, "m": 60, "s": 1}
# Ids up to this many times the number of rows apart are ranked by marking, not by sorting.
_SPARSE = 16


@dataclass(frozen=True)
class RFMSummary:
    """One row per customer, sorted by customer, shape (n,) each.

    Attributes:
        customer_id: As given.
        x: Repeat purchases: merged purchases without the first.
        t_x: Time of the last purchase since the first, in `unit`; 0 where x = 0.
        T: Time from the first purchase to `as_of`, in `unit`.
        mean_spend: Mean total of the repeat purchases; 0 where x = 0. None if no amounts were given.
    """

    customer_id: npt.NDArray[Any]
    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    mean_spend: FloatArray | None


def rfm_summary(
    customer_ids: ArrayLike,
    times: ArrayLike,
    amounts: ArrayLike | None = None,
    *,
    as_of: str | date | np.datetime64 | None = None,
    unit: str = "D",
    merge: str = "D",
) -> RFMSummary:
    """Summarise transactions per customer, as known at `as_of`.

    Transactions of one customer in one `merge` period (a day) are one purchase worth their sum, and times are
    differences of such periods: `unit="W"` with `merge="D"` gives sevenths of weeks, as in the literature.

    Args:
        customer_ids: Whole numbers or strings, shape (n,).
        times: Moments (datetime64, or what numpy makes of dates and ISO strings), without time zone, shape (n,).
        amounts: Value of each transaction, finite, shape (n,). Refunds may be negative: whether what remains of the
            purchases is positive is for the spend model to check.
        as_of: Last moment that counts, at its own precision: a date includes its whole day, a timestamp does not. Later
            transactions are left out. By default the latest transaction.
        unit: Unit of t_x and T: "W", "D", "h", "m" or "s".
        merge: Period within which transactions are one purchase: "D", "h", "m" or "s".

    Returns:
        The summary; customers without a transaction up to `as_of` are not in it.

    Raises:
        ValueError: The arrays are empty, not one-dimensional or of different length; an id or a time is missing or of
            another kind; an amount is not finite; `unit`, `merge` or `as_of` is none of the above; nothing happened
            up to `as_of`.
    """
    if unit not in _SECONDS:
        raise ValueError(f"unit must be one of {', '.join(_SECONDS)}, not {unit!r}")
    if merge not in ("D", "h", "m", "s"):
        raise ValueError(f"merge must be one of D, h, m, s, not {merge!r}")
    ids, when, value = _checked(customer_ids, times, amounts)
    end = when.max() if as_of is None else _moment(as_of)
    known = when.astype(end.dtype) <= end
    if not known.all():
        ids, when, value = ids[known], when[known], None if value is None else value[known]
    if not ids.size:
        raise ValueError(f"no transaction up to as_of = {end}")
    period = when.astype(f"datetime64[{merge}]").astype(np.int64)
    # The last period that `end`, at its own precision, reaches into: a date ends with the last hour of the day.
    coarser = _SECONDS.get(np.datetime_data(end.dtype)[0], 0) > _SECONDS[merge]
    last_period = int((end + int(coarser)).astype(f"datetime64[{merge}]").astype(np.int64)) - coarser
    length = _SECONDS[merge] / _SECONDS[unit]
    return _summarised(*_ranked(ids), period, last_period, length, value)


def _summarised(
    customers: npt.NDArray[Any],
    rank: IntArray,
    period: IntArray,
    last_period: int,
    length: float,
    value: FloatArray | None,
) -> RFMSummary:
    start = period.min()
    span = int(last_period - start) + 1
    purchases = np.sort(rank * span + (period - start))
    purchases = purchases[np.append(True, purchases[1:] != purchases[:-1])]
    whose = purchases // span
    begins = np.flatnonzero(np.append(True, whose[1:] != whose[:-1]))
    day = purchases - whose * span
    first, last = day[begins], day[np.append(begins[1:], day.size) - 1]
    x = np.diff(np.append(begins, day.size)) - 1.0
    mean_spend = None
    if value is not None:
        repeat = np.where(period - start > first[rank], value, 0.0)
        mean_spend = np.bincount(rank, repeat, customers.size) / np.maximum(x, 1.0)
    return RFMSummary(customers, x, (last - first) * length, (span - 1 - first) * length, mean_spend)


def _ranked(ids: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], IntArray]:
    """Distinct ids in order, and the place of each given id among them."""
    if ids.dtype.kind in "iu":
        low, high = int(ids.min()), int(ids.max())
        if high - low < _SPARSE * ids.size:
            code = (ids - low).astype(np.int64)
            used = np.zeros(high - low + 1, dtype=np.bool_)
            used[code] = True
            return np.flatnonzero(used).astype(ids.dtype) + ids.dtype.type(low), (np.cumsum(used) - 1)[code]
        customers, rank = np.unique(ids, return_inverse=True)
        return customers, rank
    # Hashing once and sorting the distinct strings is several times faster than sorting all of them.
    texts = ids.tolist()
    order = {text: i for i, text in enumerate(sorted(set(texts)))}
    return np.array(list(order), dtype=ids.dtype), np.fromiter(map(order.__getitem__, texts), np.int64, len(texts))


def _checked(
    customer_ids: ArrayLike, times: ArrayLike, amounts: ArrayLike | None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.datetime64], FloatArray | None]:
    ids = np.asarray(customer_ids)
    if not ids.size:
        raise ValueError("there are no transactions: the arrays are empty")
    value = None if amounts is None else numbers(amounts, "amounts")
    try:
        when = np.asarray(times)
        if when.dtype.kind in "UO":
            when = when.astype("datetime64")
    except (TypeError, ValueError) as error:
        raise ValueError(f"times must be dates or moments without a time zone: {error}") from None
    if when.dtype.kind != "M":
        raise ValueError(f"times must be dates or moments without a time zone, not {when.dtype}")
    shapes = {array.shape for array in (ids, when, value) if array is not None}
    if len(shapes) != 1 or ids.ndim != 1:
        raise ValueError(
            f"customer_ids, times and amounts must have one dimension and one length, not {sorted(shapes)}"
        )
    if ids.dtype.kind == "O":
        refuse(np.fromiter((not isinstance(i, str) for i in ids), np.bool_, ids.size), "customer_ids must be strings")
    elif ids.dtype.kind not in "iuU":
        raise ValueError(f"customer_ids must be whole numbers or strings, not {ids.dtype}")
    refuse(np.isnat(when), "times must not be missing")
    return ids, when, value


def _moment(as_of: str | date | np.datetime64) -> np.datetime64:
    try:
        end = np.datetime64(as_of)
    except (TypeError, ValueError) as error:
        raise ValueError(f"as_of must be a date or a moment without a time zone: {error}") from None
    if np.isnat(end) or np.datetime_data(end.dtype)[0] in ("generic", "Y", "M", "W"):
        raise ValueError(f"as_of must be a day or a finer moment, not {as_of}")
    return end
