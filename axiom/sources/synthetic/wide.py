"""The 65 columns that make the retail table wide: 36 of the purchase, 20 of the person, 9 that say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from axiom.sources.synthetic.columns import category, digits, floats, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.maths.arrays import FloatArray
    from axiom.sources.synthetic.recipe import Block

_CATEGORIES = ("grocery", "household", "clothing", "electronics", "toys", "garden", "books", "beauty")
_PURCHASE_LABELS: dict[str, tuple[str, ...]] = {
    "store": tuple(f"store_{number:02d}" for number in range(25)),
    "sales_channel": ("store", "web", "app"),
    "payment_method": ("card", "cash", "invoice", "wallet", "gift_card"),
    "product_category": _CATEGORIES,
    "product_subcategory": tuple(f"{name}_{level}" for name in _CATEGORIES for level in ("basic", "plus", "premium")),
    "brand": tuple(f"brand_{number:02d}" for number in range(40)),
    "sku": tuple(f"SKU{number:03d}" for number in range(120)),
    "promotion": ("none", "coupon", "loyalty", "clearance"),
    "device": ("desktop", "phone", "tablet", "till"),
    "browser": ("chrome", "firefox", "safari", "edge", "other"),
    "shipping_method": ("pickup", "standard", "express"),
    "warehouse": ("north", "south"),
    "sales_rep": tuple(f"rep_{number:02d}" for number in range(30)),
    "order_status": ("completed", "partly_returned", "open"),
    "season": ("spring", "summer", "autumn", "winter"),
    "day_part": ("morning", "noon", "afternoon", "evening"),
}
_PERSON_LABELS: dict[str, tuple[str, ...]] = {
    "gender": ("f", "m", "x"),
    "city": ("Ahrenfeld", "Brookhaven", "Cedarton", "Dunmere", "Eastwick"),
    "country": ("AT", "CH", "DE", "FR", "NL"),
    "income_band": ("low", "middle", "high"),
    "loyalty_tier": ("none", "silver", "gold"),
    "acquisition_channel": ("organic", "paid_search", "referral", "store"),
}
_FIRST = ("Ada", "Ben", "Chloe", "David", "Emma", "Felix", "Grace", "Hugo", "Iris", "Jonas", "Kira", "Leo")
_LAST = ("Abel", "Berg", "Carter", "Dahl", "Evans", "Fischer", "Garcia", "Hansen", "Ito", "Jansen", "Klein", "Lopez")
_STREETS = ("Main Street", "Mill Lane", "Station Road", "Park Avenue")
_MISSING = {
    "rating": 0.6,
    "discount_pct": 0.05,
    "coupon_value": 0.8,
    "gift_card_amount": 0.9,
    "delivery_days": 0.15,
    "browser": 0.3,
    "device": 0.1,
    "sales_rep": 0.4,
    "income_band": 0.35,
    "age": 0.12,
    "phone": 0.25,
    "household_size": 0.2,
    "weight_kg": 0.02,
    "minutes_on_site": 0.3,
    "internal_note": 0.98,
    "distance_km": 0.08,
}


def _labels(rng: np.random.Generator, rows: int, names: Sequence[str]) -> pa.Array:
    # Zipf-like shares: real categories are never evenly filled.
    shares = 1.0 / np.arange(1, len(names) + 1)
    return category(rng.choice(len(names), rows, p=shares / shares.sum()), names)


def purchase_columns(rng: np.random.Generator, amount: FloatArray) -> dict[str, pa.Array]:
    """20 numbers and 16 labels of each purchase.

    Args:
        rng: source of randomness.
        amount: money of each purchase; prices, discounts, taxes and margins agree with it.
    """
    n = len(amount)
    quantity = 1 + rng.poisson(1.5, n)
    discount = np.round(rng.choice([0.0, 0.0, 0.0, 5.0, 10.0, 20.0], n), 1)
    cost = np.round(amount * rng.uniform(0.4, 0.8, n), 2)
    whole = {
        "quantity": quantity,
        "distinct_items": 1 + rng.binomial(quantity - 1, 0.7),
        "loyalty_points": np.floor(amount).astype(np.int64),
        "return_window_days": rng.choice([14, 30, 60], n),
        "delivery_days": rng.poisson(3.0, n),
        "pages_before": rng.geometric(0.15, n),
        "rating": rng.choice(np.arange(1, 6), n, p=[0.05, 0.05, 0.15, 0.35, 0.4]),
        "queue_position": rng.poisson(2.0, n),
    }
    decimal = {
        "list_price": amount / quantity / (1.0 - discount / 100.0),
        "unit_price": amount / quantity,
        "discount_pct": discount,
        "tax_rate": rng.choice([0.07, 0.19], n, p=[0.3, 0.7]),
        "shipping_fee": rng.choice([0.0, 3.95, 5.95], n, p=[0.6, 0.3, 0.1]),
        "cost_of_goods": cost,
        "margin": amount - cost,
        "coupon_value": rng.choice([5.0, 10.0], n),
        "gift_card_amount": rng.choice([10.0, 25.0, 50.0], n),
        "weight_kg": rng.gamma(2.0, 0.8, n) * quantity,
        "distance_km": rng.lognormal(1.5, 0.9, n),
        "minutes_on_site": rng.lognormal(1.8, 0.7, n),
    }
    numbers = {name: pa.array(values) for name, values in whole.items()}
    numbers |= {name: floats(np.round(values, 2)) for name, values in decimal.items()}
    return numbers | {name: _labels(rng, n, names) for name, names in _PURCHASE_LABELS.items()}


def personal_columns(block: Block) -> dict[str, pa.Array]:
    """10 personal data and 10 attributes of each customer of the block.

    Nothing can belong to a living person: mail goes to example.com, telephone numbers are of the range 07700 900000
    reserved for fiction, addresses of the network 203.0.113.0/24 reserved for documentation.
    """
    rng, n = block.rng, block.size
    first, last = rng.integers(len(_FIRST), size=n), rng.integers(len(_LAST), size=n)
    house, octet = rng.integers(1, 100, n), rng.integers(1, 255, n)
    born = rng.integers(-12_000, 13_000, n)
    plain = {
        "first_name": [_FIRST[index] for index in first],
        "last_name": [_LAST[index] for index in last],
        "email": [f"{_FIRST[i]}.{_LAST[j]}{k}@example.com".lower() for i, j, k in zip(first, last, house, strict=True)],
        "street_address": [f"{number} {_STREETS[number % len(_STREETS)]}" for number in house],
        "ip_address": [f"203.0.113.{number}" for number in octet],
    }
    return {
        **{name: pa.array(values, pa.string()) for name, values in plain.items()},
        "phone": text("07700900", digits(rng.integers(0, 1_000, n), 3)),
        "postcode": text(digits(rng.integers(1_000, 99_999, n), 5)),
        "date_of_birth": pa.array(born.astype(np.int32), pa.int32()).cast(pa.date32()),
        "card_last4": text(digits(rng.integers(0, 10_000, n), 4)),
        "loyalty_card": text("LC", digits(rng.integers(0, 10**9, n), 9)),
        "age": pa.array(2023 - (1970 + born // 365)),
        "household_size": pa.array(1 + rng.poisson(1.2, n)),
        "marketing_opt_in": pa.array(rng.random(n) < 0.4),
        "distance_to_store_km": floats(np.round(rng.lognormal(1.2, 0.8, n), 1)),
        **{name: _labels(rng, n, names) for name, names in _PERSON_LABELS.items()},
    }


def stale_columns(rng: np.random.Generator, rows: int) -> dict[str, pa.Array]:
    """9 columns that are constant, nearly constant or empty."""
    return {
        "source_system": category(np.zeros(rows, np.int64), ("till",)),
        "schema_revision": pa.array(np.full(rows, 7)),
        "legacy_flag": pa.array(np.zeros(rows, np.bool_)),
        "test_order": pa.array(rng.random(rows) < 0.001),
        "split_shipment": pa.array(rng.random(rows) < 0.003),
        "terms_accepted": pa.array(rng.random(rows) > 0.0005),
        "warehouse_country": category((rng.random(rows) < 0.005).astype(np.int64), ("DE", "AT")),
        "fax_number": pa.nulls(rows, pa.string()),
        "internal_note": category(rng.integers(0, 2, rows), ("called back", "gift wrap")),
    }


def with_gaps(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    """Blank out values of some columns, at random and at rates from 2 % to 98 %."""
    for name, share in _MISSING.items():
        gaps = pa.array(rng.random(len(table)) < share)
        index = table.schema.get_field_index(name)
        table = table.set_column(index, name, pa.compute.if_else(gaps, None, table[name]))
    return table
