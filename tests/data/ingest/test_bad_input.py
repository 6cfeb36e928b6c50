"""Each bad input gives one clear line and the way out, and leaves the lake byte for byte as it was."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from axiom.errors import AxiomError, BadInputError, MisuseError, NotFoundError, UnavailableError
from axiom.sources import FileSource, IngestRequest, SqlSource, plan_ingest

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.sources import IngestReport

GOOD = ["a,2024-01-01,5", "b,2024-01-02,6"]


def _refuses(shop: Any, error: type[AxiomError], match: str, ingest: Callable[[], IngestReport]) -> AxiomError:
    shop.ingest(shop.csv(["z,2023-01-01,1"], name="before.csv"))
    before = shop.picture()
    with pytest.raises(error, match=match) as caught:
        ingest()
    assert shop.picture() == before
    assert caught.value.hint or error is NotFoundError or "empty" in str(caught.value) or "no row" in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def test_missing_file(shop: Any) -> None:
    _refuses(shop, NotFoundError, r"no file .*nowhere\.csv", lambda: shop.ingest(str(shop.folder / "nowhere.csv")))


def test_glob_that_matches_nothing(shop: Any) -> None:
    _refuses(shop, NotFoundError, r"no file matches .*\*\.parquet", lambda: shop.ingest(str(shop.folder / "*.parquet")))


def test_empty_directory(shop: Any) -> None:
    (shop.folder / "empty").mkdir()
    _refuses(shop, NotFoundError, "nothing in it", lambda: shop.ingest(str(shop.folder / "empty")))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"\n\n", "holds no row"),
        (b"customer_id,txn_ts,amount\n", "has a header but no row"),
        (b"\x00\x01\x02binary", "is not a text file"),
        (b'{"customer_id": 1}\n', "looks like JSON"),
        (b"PAR1 and then nothing", "is not a readable Parquet file"),
        (gzip.compress(b"customer_id,txn_ts,amount\na,2024-01-01,1\n" * 50, mtime=0)[:-9], "is damaged"),
        (b"customer_id,customer_id,amount\na,2024-01-01,5\n", "column customer_id is there twice"),
        (b"customer_id,txn_ts\na\nb\n", "row 1 has 1 fields, the header has 2"),
    ],
)
def test_file_that_holds_nothing_usable(shop: Any, content: bytes, match: str) -> None:
    path = shop.write("odd.csv", content)
    _refuses(shop, BadInputError, match, lambda: shop.ingest(path))


def test_empty_parquet(shop: Any) -> None:
    path = shop.folder / "empty.parquet"
    pq.write_table(pa.table({"customer_id": pa.array([], pa.string()), "txn_ts": pa.array([], pa.date32())}), path)
    _refuses(shop, BadInputError, "no row", lambda: shop.ingest(str(path)))


def test_not_utf8_names_the_byte_and_the_line(shop: Any) -> None:
    path = shop.write("latin.csv", "customer_id,txn_ts,amount\na,2024-01-01,5\nmüller,2024-01-01,5\n".encode("cp1252"))
    error = _refuses(shop, BadInputError, "is not utf-8: byte 42, line 3", lambda: shop.ingest(path))
    assert "--encoding cp1252" in error.hint
    report = shop.ingest(path, encoding="cp1252")
    assert report.accepted == 2
    assert ("müller",) in shop.rows("customer_id")


def test_unknown_encoding(shop: Any) -> None:
    path = shop.csv(GOOD)
    _refuses(shop, MisuseError, "unknown encoding 'klingon'", lambda: shop.ingest(path, encoding="klingon"))


@pytest.mark.parametrize(
    ("mapping", "error", "match"),
    [
        ({"customer_id": "Costumer"}, BadInputError, r"no column 'Costumer'.*did you mean Customer"),
        ({"amount": "Quantity*Prise"}, BadInputError, r"no column 'Prise'.*did you mean Price"),
        ({"amount": "(select 1)"}, MisuseError, "uses a subquery"),
        ({"amount": "read_text('/etc/passwd')"}, MisuseError, "uses read_text"),
        ({"amount": "sum(Price)"}, MisuseError, "uses sum"),
        ({"amount": "random()"}, MisuseError, "uses random"),
        ({"amount": "Price) from source; drop table x; --"}, MisuseError, "is not an expression"),
        ({"amount": "Price +"}, MisuseError, "is not an expression"),
        ({"customer_id": ""}, MisuseError, "customer_id is required"),
        ({"Amount": "Price"}, MisuseError, "differ only in case"),
        ({"bucket": "Price"}, MisuseError, "'bucket' cannot name a column"),
        ({"a b": "Price"}, MisuseError, "'a b' cannot name a column"),
        ({"colour": ""}, MisuseError, "does not have"),
    ],
)
def test_wrong_mapping(shop: Any, mapping: dict[str, str], error: type[AxiomError], match: str) -> None:
    path = shop.csv(["a,2024-01-01,5,2"], header="Customer,Date,Price,Quantity")
    _refuses(shop, error, match, lambda: shop.ingest(path, mapping=mapping))


@pytest.mark.parametrize(
    ("header", "rows", "match"),
    [
        (
            "who,when_,amount",
            ["a,2024-01-01,5"],
            r"like customer_id.*--map customer_id=.*who, when_, amount",
        ),
        ("customer_id,what,amount", ["a,b,5"], "no column looks like txn_ts"),
        ("id,date,amount", [f"{n},2024-01-01,5" for n in range(30)], "id never repeats.*--map customer_id=id"),
        (
            "user_id,client_id,date",
            ["a,b,2024-01-01"],
            r"could be user_id or client_id.*--map customer_id=",
        ),
        ("customer_id,date,revenue,spend", ["a,2024-01-01,1,2"], "amount could be revenue or spend"),
        ("customer_id,date,amount", ["a,31/12/2023,5"], r"date is called like txn_ts, but '31/12/2023' is not a time"),
    ],
)
def test_mapping_that_cannot_be_guessed(shop: Any, header: str, rows: list[str], match: str) -> None:
    path = shop.csv(rows, header=header)
    _refuses(shop, BadInputError, match, lambda: shop.ingest(path))


@pytest.mark.parametrize(
    ("where", "error", "match"),
    [
        ("amount", MisuseError, "neither true nor false"),
        ("amount > (select 1)", MisuseError, "uses a subquery"),
        ("amonut > 1", BadInputError, "did you mean amount"),
        ("amount > 100", BadInputError, r"nothing left of 2 rows: dropped by where \(2\)"),
        ("cast(customer_id as integer) > 1", BadInputError, "cannot evaluate.*Could not convert"),
    ],
)
def test_wrong_filter(shop: Any, where: str, error: type[AxiomError], match: str) -> None:
    path = shop.csv(GOOD)
    _refuses(shop, error, match, lambda: shop.ingest(path, where=where))


def test_dates_of_which_none_can_be_read(shop: Any) -> None:
    path = shop.csv(["a,31/12/2023,5", "b,30/12/2023,6"])
    mapping = {"txn_ts": "txn_ts"}
    match = r"no row of 2 can be used: txn_ts is not a time \(2\)"
    error = _refuses(shop, BadInputError, match, lambda: shop.ingest(path, mapping=mapping))
    assert "--time-format" in error.hint
    assert shop.ingest(path, mapping=mapping, time_format="%d/%m/%Y").accepted == 2


def test_time_format_that_is_none(shop: Any) -> None:
    path = shop.csv(GOOD)
    _refuses(shop, MisuseError, "'%Q' is not a time format", lambda: shop.ingest(path, time_format="%Q"))


def test_amounts_that_are_all_null(shop: Any) -> None:
    path = shop.csv(["a,2024-01-01,", "b,2024-01-02,"])
    error = _refuses(shop, BadInputError, r"amount \(amount\) is null in every row", lambda: shop.ingest(path))
    assert "--map amount=" in error.hint
    assert shop.ingest(path, mapping={"amount": ""}).accepted == 2


def test_amounts_that_are_never_numbers(shop: Any) -> None:
    path = shop.csv(['a,2024-01-01,"5,50"', 'b,2024-01-02,"6,00"'])
    match = "never a number, for example '5,50'"
    error = _refuses(shop, BadInputError, match, lambda: shop.ingest(path, mapping={"amount": "amount"}))
    assert "replace(amount" in error.hint
    shop.ingest(path, mapping={"amount": "replace(amount, ',', '.')"})
    assert ("a", 5.5) in shop.rows("customer_id", "amount")


def test_amounts_that_are_all_negative_where_returns_are_refused(shop: Any) -> None:
    path = shop.csv(["a,2024-01-01,-5"])
    error = _refuses(shop, BadInputError, r"amount is negative \(1\)", lambda: shop.ingest(path, returns="refuse"))
    assert "--returns" in error.hint


def test_currency_that_is_never_the_lakes(shop: Any) -> None:
    path = shop.csv(["a,2024-01-01,5,EUR"], header="customer_id,txn_ts,amount,currency")
    error = _refuses(shop, BadInputError, r"currency is not USD \(1\)", lambda: shop.ingest(path))
    assert "AXIOM_CURRENCY" in error.hint


def test_dates_that_are_all_in_the_future(shop: Any) -> None:
    path = shop.csv(["a,2124-01-01,5"])
    _refuses(shop, BadInputError, r"txn_ts is in the future \(1\)", lambda: shop.ingest(path))


def test_csv_with_a_quote_that_never_closes(shop: Any) -> None:
    path = shop.csv(['"a,2024-01-01,5', *(f"b{n},2024-01-01,5" for n in range(400_000))], name="quote.csv")
    _refuses(shop, BadInputError, "cannot be read as CSV", lambda: shop.ingest(path))


def test_files_of_different_form(shop: Any) -> None:
    one, two = shop.csv(GOOD, name="1.csv"), shop.csv(["x,1"], header="a,b", name="2.csv")
    _refuses(shop, BadInputError, "one by one", lambda: shop.ingest(one, two))
    parquet = shop.folder / "3.parquet"
    pq.write_table(pa.table({"customer_id": ["a"]}), parquet)
    _refuses(shop, BadInputError, "is Parquet and", lambda: shop.ingest(one, str(parquet)))
    other = shop.folder / "4.parquet"
    pq.write_table(pa.table({"x": ["a"]}), other)
    _refuses(shop, BadInputError, "has no column customer_id", lambda: shop.ingest(str(parquet), str(other)))


def test_column_that_has_no_text_form(shop: Any) -> None:
    path = shop.folder / "nested.parquet"
    pq.write_table(pa.table({"customer_id": [["a"]], "txn_ts": ["2024-01-01"]}), path)
    _refuses(
        shop, BadInputError, "has no text form", lambda: shop.ingest(str(path), mapping={"customer_id": "customer_id"})
    )


def test_a_thousand_columns(shop: Any) -> None:
    names = [f"c{n}" for n in range(997)]
    header = ",".join(["customer_id", "txn_ts", "amount", *names])
    path = shop.csv([f"a,2024-01-01,5,{','.join('1' * 997)}"], header=header)
    report = shop.ingest(path, mapping={"wide": "c996"})
    assert report.accepted == 1
    assert shop.rows("wide") == [(1.0,)]
    error = _refuses(shop, BadInputError, "no column 'nope'", lambda: shop.ingest(path, mapping={"amount": "nope"}))
    assert "1000 columns" in error.hint
    assert len(plan_ingest(shop.lake, shop.request(path)).columns) == 1000


def test_a_customer_id_with_quotes_newlines_and_other_letters(shop: Any) -> None:
    ids = [
        'he said "hi"',
        "two\nlines",
        "naïve 客户 🙂",
        "semi;colon,comma",
        " leading",
        "'; drop table x; --",
        "null\u200b",
    ]
    quoted = ['"' + one.replace('"', '""') + '"' for one in ids]
    shop.ingest(shop.csv([f"{one},2024-01-01,5" for one in quoted]))
    assert {row[0] for row in shop.rows("customer_id")} == set(ids)


def test_an_s3_store_that_is_down(shop: Any) -> None:
    from axiom.lake import Lake, S3Options, Storage

    storage = Storage(shop.lake.storage.location, S3Options("http://127.0.0.1:1", "us-east-1", "key", "s3cret"))
    lake = Lake(storage, shop.lake.buckets, shop.lake.currency)
    before = shop.picture()
    with pytest.raises(UnavailableError, match="does not answer"):
        plan_ingest(lake, IngestRequest("transactions", FileSource(("s3://bucket/x.csv",))))
    assert shop.picture() == before


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"entity": "orders"}, "unknown entity 'orders'"),
        ({"contract": "strict"}, "unknown contract 'strict'"),
        ({"returns": "keep"}, "unknown returns 'keep'"),
        ({"duplicates": "merge"}, "unknown duplicates 'merge'"),
        ({"timezone": "Mars/Olympus"}, "unknown time zone 'Mars/Olympus'"),
        ({"watermark": "updated_at"}, "a watermark needs a SQL source"),
        ({"delimiter": "::"}, "neither one character nor"),
        ({"format": "xlsx"}, "unknown format 'xlsx'"),
    ],
)
def test_options_that_do_not_exist(shop: Any, options: dict[str, Any], match: str) -> None:
    with pytest.raises(MisuseError, match=match):
        shop.request("x.csv", **options)


def test_sources_that_name_nothing() -> None:
    with pytest.raises(MisuseError, match="no file given"):
        FileSource(())
    for table, query in (("", ""), ("t", "select 1")):
        with pytest.raises(MisuseError, match="either a table or a query"):
            SqlSource("sqlite://", table, query)
