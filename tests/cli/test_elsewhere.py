"""The whole way again, with the lake on S3 and the tables in PostgreSQL, by settings alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def elsewhere(
    axiom: Any, monkeypatch: pytest.MonkeyPatch, s3_endpoint: str, s3_location: str, empty_postgres_url: str
) -> Any:
    for name, value in {
        "LAKE_URI": s3_location,
        "S3_ENDPOINT": s3_endpoint,
        "S3_REGION": "us-east-1",
        "S3_ACCESS_KEY": "key",
        "S3_SECRET_KEY": "secret",
        "DATABASE_URL": empty_postgres_url,
    }.items():
        monkeypatch.setenv(f"AXIOM_{name}", value)
    return axiom


def test_from_a_file_to_scores_on_s3_and_postgresql(elsewhere: Any, shop_csv: Path, home: Path) -> None:
    assert elsewhere("init").code == 0
    assert elsewhere("ingest", str(shop_csv), "--entity", "transactions").code == 0
    assert elsewhere("train", "clv", "--horizon", "45", "--model", "bg_nbd", "--json").json["model"] == "clv@1"
    assert elsewhere("score", "--churn", "", "--json").json["rows"] == 150
    assert elsewhere("score", "--churn", "", "--json").json["already"] is True
    found = elsewhere("sql", "select count(*) n, sum(clv_mean) total from scores", "--json").json["rows"]
    assert found[0]["n"] == 150
    assert elsewhere("lake", "verify").code == 0
    assert not (home / "lake").exists()
    assert not (home / "axiom.db").exists()


def test_the_scores_table_of_the_database_holds_what_the_dataset_holds(
    elsewhere: Any, shop_csv: Path, empty_postgres_url: str
) -> None:
    import psycopg

    elsewhere("init")
    elsewhere("ingest", str(shop_csv), "--entity", "transactions")
    elsewhere("train", "clv", "--horizon", "45", "--model", "bg_nbd")
    elsewhere("score", "--churn", "")
    lake = elsewhere("sql", "select customer_id, clv_mean from scores order by 1", "--json").json["rows"]
    with psycopg.connect(empty_postgres_url.replace("+psycopg", "")) as connection:
        rows = connection.execute(
            'select customer_id, clv_mean from scores order by customer_id collate "C"'
        ).fetchall()
    assert rows == [(row["customer_id"], pytest.approx(row["clv_mean"])) for row in lake]


def test_a_database_table_is_ingested_again_by_its_watermark(
    axiom: Any, monkeypatch: pytest.MonkeyPatch, empty_postgres_url: str
) -> None:
    import psycopg

    monkeypatch.setenv("SHOP_URL", empty_postgres_url)
    axiom("init")
    with psycopg.connect(empty_postgres_url.replace("+psycopg", ""), autocommit=True) as shop:
        shop.execute(
            "create table orders (id text, customer_id text, txn_ts timestamptz, amount float8, updated_at timestamptz)"
        )
        add = "insert into orders values (%s, %s, %s, 10, %s)"
        for n in range(20):
            shop.execute(add, (f"o{n}", f"c{n % 5}", f"2024-01-{n + 1:02d}", f"2024-01-{n + 1:02d}"))
        words = ("ingest", "--sql", "env:SHOP_URL", "--table", "orders", "--entity", "transactions")
        first = axiom(*words, "--watermark", "updated_at", "--source", "shop", "--json").json
        assert first["accepted"] == 20
        for n in range(20, 23):
            shop.execute(add, (f"o{n}", f"c{n % 5}", f"2024-01-{n + 1:02d}", f"2024-01-{n + 1:02d}"))
        second = axiom("ingest", "--source", "shop", "--json").json
    assert second["accepted"] == 3
    assert second["rows_in"] < 10, "only what is at or after the watermark is read again"
    assert axiom("sql", "select count(*) n from transactions", "--json").json["rows"] == [{"n": 23}]
