"""Files: what is written can be read back, in blocks as well as whole, and a failure leaves no half file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from axiom.errors import MisuseError
from axiom.sources.synthetic import SyntheticCompany, generate, iter_chunks, plan, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from axiom.sources.synthetic.writing import Format

# Busy enough for several small blocks and for more than one row group.
OPTIONS = {"customers": 30, "days": 28, "acquisition_days": 14, "events_per_week": 5_000.0}


@pytest.fixture(scope="module")
def busy() -> SyntheticCompany:
    return generate("shop", **OPTIONS)


def test_parquet_reads_back_as_it_was(busy: SyntheticCompany, tmp_path: Path) -> None:
    write(busy, tmp_path)
    for folder, tables in ((tmp_path, busy.tables), (tmp_path / "truth", busy.truth)):
        for name, table in tables.items():
            assert pa.parquet.read_table(folder / f"{name}.parquet").equals(table)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_table_without_rows_keeps_its_columns(kind: Format, tmp_path: Path) -> None:
    company = generate("shop", customers=5, future_days=0)
    assert len(company.truth["future"]) == 0
    write(company, tmp_path, kind)
    read = pa.parquet.read_table if kind == "parquet" else pa.csv.read_csv
    assert read(tmp_path / "truth" / f"future.{kind}").column_names == company.truth["future"].column_names


def test_csv_reads_back_with_its_times_in_utc(tmp_path: Path) -> None:
    company = generate("retail", customers=50)
    write(company, tmp_path, "csv")
    read = pa.csv.read_csv(tmp_path / "transactions.csv")
    wrote = company.tables["transactions"]
    assert read.column_names == wrote.column_names
    assert read["customer_id"].to_pylist() == wrote["customer_id"].to_pylist()
    assert read["amount"].to_pylist() == wrote["amount"].to_pylist()
    assert read.schema.field("txn_ts").type == pa.timestamp("s", "UTC")
    assert read["txn_ts"].to_pylist() == wrote["txn_ts"].to_pylist()
    assert read["brand"].to_pylist() == wrote["brand"].to_pylist()


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_blocks_and_the_whole_give_the_same_bytes(busy: SyntheticCompany, kind: Format, tmp_path: Path) -> None:
    assert plan("shop", **OPTIONS).blocks > 1
    assert len(busy.tables["events"]) > 262_144
    whole = write(busy, tmp_path / "whole", kind)
    blocks = write(iter_chunks("shop", **OPTIONS), tmp_path / "blocks", kind)
    assert [path.name for path in whole] == [path.name for path in blocks]
    assert [path.read_bytes() for path in whole] == [path.read_bytes() for path in blocks]


def test_the_truth_lies_apart_with_everything_that_determines_it(tmp_path: Path) -> None:
    company = generate("shop", scale=0.01, seed=5, start="2020-02-29", events_per_week=1)
    paths = write(company, tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        *("customers.parquet", "events.parquet", "transactions.parquet"),
        *("truth/customers.parquet", "truth/future.parquet", "truth/parameters.json"),
    ]
    told = json.loads(paths[-1].read_text())
    assert told == company.parameters
    assert (told["name"], told["seed"], told["start"], told["customers"]) == ("shop", 5, "2020-02-29", 100)
    assert (told["r"], told["alpha"], told["a"], told["b"]) == (0.2426, 4.4135, 0.7929, 2.4258)


def test_a_failure_half_way_leaves_the_previous_files_and_no_half_ones(tmp_path: Path) -> None:
    def breaking() -> Iterator[SyntheticCompany]:
        yield generate("shop", customers=20, seed=2)
        raise RuntimeError("the worker died")

    before = {path: path.read_bytes() for path in write(generate("shop", customers=20, seed=1), tmp_path)}
    with pytest.raises(RuntimeError, match="the worker died"):
        write(breaking(), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="unknown format 'xlsx'"):
        write(generate("shop", customers=1), tmp_path, "xlsx")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(MisuseError, match="is not a directory"):
        write(generate("shop", customers=1), tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_no_blocks_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="no block to write"):
        write(iter([]), tmp_path)
