"""Canonical tables, built the same way by every population (axiom/contracts.py names the columns)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from axiom.sources.synthetic.columns import category, digits, floats, repeated, text, timestamps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import FloatArray, IntArray
    from axiom.sources.synthetic.recipe import Block


def events_table(
    block: Block,
    customer: IntArray,
    happened: IntArray,
    kind: IntArray,
    kinds: Sequence[str],
    value: FloatArray,
    known: IntArray,
) -> pa.Table:
    """Canonical `events`.

    Args:
        block: whose customers.
        customer: index within the block, sorted.
        happened: event time, microseconds since 1970.
        kind: index into `kinds`.
        kinds: vocabulary of `event_type`.
        value: NaN becomes null.
        known: knowledge time, microseconds since 1970.
    """
    return pa.table(
        {
            "customer_id": repeated(block.text_ids, customer),
            "event_ts": timestamps(happened),
            "event_type": category(kind, kinds),
            "value": floats(value),
            "known_at": timestamps(known),
        }
    )


def transactions_table(
    block: Block, customer: IntArray, happened: IntArray, number: IntArray, amount: FloatArray, known: IntArray
) -> pa.Table:
    """Canonical `transactions`; the natural key is the customer id and the `number` of the customer's purchase.

    Args:
        block: whose customers.
        customer: index within the block, sorted.
        happened: event time, microseconds since 1970.
        number: 0 for the customer's first purchase.
        amount: money.
        known: knowledge time, microseconds since 1970.
    """
    letters = block.ids[customer]
    width = max(5, len(str(number.max(initial=0))))
    return pa.table(
        {
            "customer_id": text(letters),
            "txn_ts": timestamps(happened),
            "amount": floats(amount),
            "transaction_id": text(letters, "-", digits(number, width)),
            "known_at": timestamps(known),
        }
    )
