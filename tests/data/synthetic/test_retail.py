"""`retail`: wide, sensitive, stale and full of holes, on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from axiom.sources.synthetic import SyntheticCompany


def test_the_table_has_seventy_columns_of_every_kind(retail: SyntheticCompany) -> None:
    table = retail.tables["transactions"]
    assert table.num_columns == len(set(table.column_names)) == 70
    kinds = [field.type for field in table.schema]
    assert sum(pa.types.is_dictionary(kind) for kind in kinds) >= 20
    assert sum(pa.types.is_floating(kind) or pa.types.is_integer(kind) for kind in kinds) >= 20
    assert len(retail.tables["customers"]) == 5_000


def test_personal_columns_are_there_and_the_same_for_all_purchases_of_a_person(retail: SyntheticCompany) -> None:
    personal = ["first_name", "last_name", "email", "street_address", "postcode", "date_of_birth", "card_last4"]
    table = retail.tables["transactions"].to_pandas()
    assert (table.groupby("customer_id")[personal].nunique() == 1).all(axis=None)
    assert table.email.str.endswith("@example.com").all()
    assert table.ip_address.str.startswith("203.0.113.").all()
    assert table.phone.dropna().str.fullmatch(r"07700900\d{3}").all()


def test_some_columns_say_nothing_and_some_almost_nothing(retail: SyntheticCompany) -> None:
    table = retail.tables["transactions"]
    assert table["fax_number"].null_count == len(table)
    for name in ("source_system", "schema_revision", "legacy_flag"):
        assert len(pc.unique(table[name])) == 1
    for name in ("test_order", "split_shipment", "terms_accepted", "warehouse_country"):
        rarest = min(count.as_py() for count in pc.value_counts(table[name]).field("counts"))
        assert 0 < rarest < 0.01 * len(table)


def test_missing_rates_run_from_few_to_nearly_all(retail: SyntheticCompany) -> None:
    table = retail.tables["transactions"]
    for name, share in {"weight_kg": 0.02, "discount_pct": 0.05, "rating": 0.6, "internal_note": 0.98}.items():
        assert abs(table[name].null_count / len(table) - share) < 4 * np.sqrt(share / len(table))
    assert all(table[name].null_count == 0 for name in ("customer_id", "txn_ts", "amount", "transaction_id"))


def test_prices_and_margins_agree_with_the_amount(retail: SyntheticCompany) -> None:
    table = retail.tables["transactions"].to_pandas()
    np.testing.assert_allclose(
        table.unit_price * table.quantity, table.amount, atol=0.005 * table.quantity.max() + 1e-9
    )
    np.testing.assert_allclose(table.cost_of_goods + table.margin, table.amount, atol=1e-6)
    assert (table.distinct_items <= table.quantity).all()
