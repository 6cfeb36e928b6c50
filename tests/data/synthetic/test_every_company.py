"""What must hold whatever the population: canonical columns, sound keys, order, honest times."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from axiom.contracts import ENTITIES

if TYPE_CHECKING:
    from axiom.sources.synthetic import SyntheticCompany

TIMESTAMP = pa.timestamp("us", tz="UTC")
TYPES = {"string": pa.string(), "timestamp": TIMESTAMP, "float": pa.float64()}


def micros(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.int64()).to_numpy()


def test_tables_are_canonical_entities_with_their_columns_and_types(company: SyntheticCompany) -> None:
    assert set(company.tables) <= set(ENTITIES)
    for name, table in company.tables.items():
        for column in ENTITIES[name].columns:
            if column.name not in table.column_names:
                assert not column.required, f"{name} lacks {column.name}"
                continue
            found = table.schema.field(column.name).type
            found = found.value_type if pa.types.is_dictionary(found) else found
            assert found == TYPES[column.type], f"{name}.{column.name}"
            if column.required:
                assert table[column.name].null_count == 0


def test_every_row_belongs_to_a_customer_and_every_customer_has_a_truth(company: SyntheticCompany) -> None:
    ids = company.tables["customers"]["customer_id"]
    assert len(pc.unique(ids)) == len(ids)
    assert company.truth["customers"]["customer_id"].equals(ids)
    for table in (*company.tables.values(), *company.truth.values()):
        assert pc.all(pc.is_in(table["customer_id"], value_set=ids.combine_chunks())).as_py()


def test_transaction_ids_are_unique_in_past_and_future(company: SyntheticCompany) -> None:
    keys = company.tables["transactions"]["transaction_id"].to_pylist()
    if "future" in company.truth:
        keys += company.truth["future"]["transaction_id"].to_pylist()
    assert len(set(keys)) == len(keys)


def test_rows_stand_in_order_of_customer_and_time_within_the_window(company: SyntheticCompany) -> None:
    start = np.datetime64(company.parameters["start"], "us").astype(np.int64)
    end = start + company.parameters["days"] * 86_400_000_000
    for name in {"events", "transactions"} & set(company.tables):
        table = company.tables[name]
        when = micros(table[ENTITIES[name].time_column])
        who = table["customer_id"].combine_chunks().dictionary_encode().indices.to_numpy()
        assert (np.diff(who) >= 0).all()
        assert (np.diff(when)[np.diff(who) == 0] >= 0).all()
        assert when.min() >= start
        assert when.max() < end


def test_nothing_is_known_before_it_happens_and_the_asked_share_is_late(company: SyntheticCompany) -> None:
    share = company.parameters["late_share"]
    for name in {"events", "transactions"} & set(company.tables):
        table = company.tables[name]
        delay = micros(table["known_at"]) - micros(table[ENTITIES[name].time_column])
        assert delay.min() == 0
        late = delay[delay > 0]
        assert late.min() >= 60_000_000
        assert abs(len(late) / len(delay) - share) < 4 * np.sqrt(share / len(delay))
        mean_days = late.mean() / 86_400_000_000
        assert abs(mean_days - company.parameters["late_days"]) < 5 * mean_days / np.sqrt(len(late))


def test_no_customer_does_anything_before_signing_up(company: SyntheticCompany) -> None:
    people = company.tables["customers"].select(["customer_id", "signup_ts"]).to_pandas()
    signed_up = people.set_index("customer_id").signup_ts
    for name in {"events", "transactions"} & set(company.tables):
        time_column = ENTITIES[name].time_column
        first = company.tables[name].select(["customer_id", time_column]).to_pandas()
        first = first.groupby("customer_id")[time_column].min()
        assert (first >= signed_up[first.index]).all()
