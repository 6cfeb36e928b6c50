from __future__ import annotations

import gzip
import random
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from axiom.errors import ConflictError
from axiom.lake.compact import compact
from axiom.sources import ingest, plan_ingest
from axiom.sources.incoming import SAMPLE_ROWS
from axiom.sources.mapping import parse_map

DAY_1, DAY_2, DAY_3 = "2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00", "2024-01-03T00:00:00+00:00"


def test_a_file_becomes_bronze_silver_and_a_report(shop: Any) -> None:
    path = shop.csv(["a,2024-01-01,5", "b,2024-01-02 10:30,6.5", ",2024-01-03,7"])
    report = shop.ingest(path)
    assert (report.rows_in, report.accepted, report.refused, report.customers) == (3, 2, 1, 2)
    assert (report.min_time, report.max_time) == (DAY_1, "2024-01-02T10:30:00+00:00")
    assert report.source == "orders"
    assert shop.rows() == [(5.0, "a", DAY_1), (6.5, "b", "2024-01-02T10:30:00+00:00")]
    assert shop.refused() == [
        (3, "customer_id is missing", {"customer_id": None, "txn_ts": "2024-01-03", "amount": "7"})
    ]
    bronze = shop.lake.dataset("bronze/transactions", report.batch_id)
    assert bronze.read().to_pylist()[1] == {"customer_id": "b", "txn_ts": "2024-01-02 10:30", "amount": "6.5"}
    assert bronze.manifest.properties["arrived_at"] == "2024-06-01T00:00:00+00:00"
    bronze.verify()
    shop.lake.dataset("quarantine/transactions", report.batch_id).verify()


def test_a_parquet_file_is_kept_as_it_came_with_columns_that_nobody_mapped(shop: Any) -> None:
    path = shop.folder / "t.parquet"
    pq.write_table(pa.table({"CustomerID": [1, 2], "Date": [date(2024, 1, 1)] * 2, "Note": ["x", "y"]}), path)
    report = shop.ingest(str(path))
    (file,) = shop.lake.dataset("bronze/transactions", report.batch_id).manifest.files
    assert shop.lake.storage.read(file.path) == path.read_bytes()
    assert shop.rows() == [("1", DAY_1), ("2", DAY_1)]


def test_the_commit_carries_what_later_stages_ask(shop: Any) -> None:
    shop.ingest(shop.csv(["a,2024-01-01,5", "b,2024-01-03,6"]), where="amount > 0")
    (commit,) = shop.lake.snapshot("transactions").commits
    assert commit.schema == {"customer_id": "string", "txn_ts": "timestamp[us, tz=UTC]", "amount": "double"}
    assert commit.properties["policies"]["where"] == "amount > 0"
    assert commit.properties["counts"]["accepted"] == 2
    times = sorted((file.min_time, file.max_time) for file in commit.files)
    seconds = [int(datetime(2024, 1, day, tzinfo=UTC).timestamp()) * 1_000_000 for day in (1, 3)]
    assert times[0][0] == seconds[0]
    assert times[-1][1] == seconds[1]


def test_the_same_batch_twice_adds_nothing(shop: Any) -> None:
    path = shop.csv(["a,2024-01-01,5", "a,2024-01-01,5", ",2024-01-01,5"])
    first = shop.ingest(path)
    before = shop.picture()
    again = shop.ingest(path)
    assert shop.picture() == before
    assert (again.batch_id, again.already, again.committed) == (first.batch_id, True, False)
    assert (again.rows_in, again.accepted, again.duplicates, again.refused) == (3, 0, 2, 1)
    renamed = shop.write("renamed.csv", (shop.folder / "orders.csv").read_bytes())
    assert shop.ingest(renamed).already


def test_a_batch_stays_known_after_compaction(shop: Any) -> None:
    one, two = shop.csv(["a,2024-01-01,5"], name="1.csv"), shop.csv(["a,2024-01-02,5"], name="2.csv")
    shop.ingest(one)
    shop.ingest(two)
    assert compact(shop.lake, "transactions", max_files=1) is not None
    before = shop.picture()
    assert shop.ingest(one).already
    assert shop.picture() == before
    grown = shop.csv(["a,2024-01-01,5", "a,2024-01-02,5", "a,2024-01-03,5"], name="3.csv")
    assert (shop.ingest(grown).accepted, shop.lake.snapshot("transactions").rows) == (1, 3)


def test_a_grown_file_adds_only_what_is_new(shop: Any) -> None:
    rows = [f"c{n % 5},2024-01-{1 + n % 28:02d},{n % 3}" for n in range(200)]
    shop.ingest(shop.csv(rows[:120]))
    report = shop.ingest(shop.csv(rows))
    assert (report.duplicates, report.accepted) == (120, 80)
    assert len(shop.rows()) == 200
    everything_again = shop.ingest(shop.csv([*rows, rows[0]]))
    assert (everything_again.duplicates, everything_again.accepted) == (200, 1)


def test_a_file_that_adds_nothing_is_not_committed(shop: Any) -> None:
    shop.ingest(shop.csv(["a,2024-01-01,5", "b,2024-01-01,5"]))
    before = shop.picture()
    report = shop.ingest(shop.csv(["b,2024-01-01,5"]))
    assert (report.committed, report.duplicates) == (False, 1)
    assert "nothing new" in report.notes
    assert shop.picture() == before


def test_equal_rows_are_two_purchases_unless_told_otherwise(shop: Any) -> None:
    path = shop.csv(["a,2024-01-01,5", "a,2024-01-01,5", "b,2024-01-01,5"])
    kept = shop.ingest(path)
    assert (kept.accepted, kept.duplicates, kept.repeated) == (3, 0, 1)
    other = shop.csv(["x,2024-01-01,5", "x,2024-01-01,5"], name="x.csv")
    dropped = shop.ingest(other, duplicates="drop")
    assert (dropped.accepted, dropped.duplicates, dropped.repeated) == (1, 1, 1)


def test_a_source_without_amounts_is_no_duplicate_of_another_with_amounts(shop: Any) -> None:
    shop.ingest(shop.csv(["a,2024-01-01,5"], name="web.csv"))
    report = shop.ingest(shop.csv(["a,2024-01-01"], header="customer_id,txn_ts", name="store.csv"))
    assert (report.accepted, report.duplicates) == (1, 0)


def test_a_column_that_came_later_makes_no_new_row(shop: Any) -> None:
    shop.ingest(shop.csv(["a,2024-01-01,5"]))
    wider = shop.csv(["a,2024-01-01,5,DE", "a,2024-01-02,5,DE"], header="customer_id,txn_ts,amount,Land")
    report = shop.ingest(wider, mapping={"country": "Land"})
    assert (report.accepted, report.duplicates) == (1, 1)
    assert shop.rows("txn_ts", "country") == [(DAY_1, None), (DAY_2, "DE")]


@pytest.mark.parametrize(
    ("policy", "amounts", "counts"),
    [("net", [-2.0, 5.0], (2, 0, 0)), ("drop", [5.0], (1, 1, 0)), ("refuse", [5.0], (1, 0, 1))],
)
def test_returns_follow_their_policy(shop: Any, policy: str, amounts: list[float], counts: tuple[int, ...]) -> None:
    report = shop.ingest(shop.csv(["a,2024-01-01,5", "a,2024-01-02,-2"]), returns=policy)
    assert (report.accepted, report.dropped, report.refused) == counts
    assert [row[0] for row in shop.rows("amount")] == amounts


def test_odd_rows_are_refused_each_with_its_reason(shop: Any) -> None:
    header = "customer_id,txn_ts,amount,currency"
    rows = [
        "ok,2024-01-01,5,usd",
        '"  ",2024-01-01,5,USD',
        "b,,5,USD",
        "c,yesterday,5,USD",
        "d,2024-06-03,5,USD",
        "e,1850-01-01,5,USD",
        "f,2024-01-01,,USD",
        "g,2024-01-01,NaN,USD",
        "h,2024-01-01,inf,USD",
        "i,2024-01-01,five,USD",
        "j,2024-01-01,5,EUR",
        "k,2024-01-01,5,",
        "l,2024-01-01",
    ]
    report = shop.ingest(shop.csv(rows, header=header), mapping={"amount": "amount", "txn_ts": "txn_ts"})
    assert report.accepted == 1
    assert [(row, reason) for row, reason, _ in shop.refused()] == sorted(
        [
            (2, "customer_id is missing"),
            (3, "txn_ts is missing"),
            (4, "txn_ts is not a time"),
            (5, "txn_ts is in the future"),
            (6, "txn_ts is before 1900"),
            (7, "amount is missing"),
            (8, "amount is missing"),
            (9, "amount is infinite"),
            (10, "amount is not a number"),
            (11, "currency is not USD"),
            (12, "currency is missing"),
            (13, "has 2 fields, the header has 4"),
        ],
        key=repr,
    )
    originals = {row: original for row, _, original in shop.refused()}
    assert originals[4]["txn_ts"] == "yesterday"
    assert originals[13] == {"line": "l,2024-01-01"}


def test_rows_of_several_files_are_numbered_file_by_file(shop: Any) -> None:
    one = shop.csv(["a,2024-01-01,5", "broken", ",2024-01-01,5"], name="1.csv")
    two = shop.csv([",2024-01-01,5"], name="2.csv")
    report = shop.ingest(one, two)
    table = shop.lake.dataset("quarantine/transactions", report.batch_id).read().to_pylist()
    found = sorted((row["file"].rpartition("/")[2], row["row"], row["batch"]) for row in table)
    assert found == [("1.csv", 2, report.batch_id), ("1.csv", 3, report.batch_id), ("2.csv", 1, report.batch_id)]


def test_a_corrected_row_is_a_new_version_known_since_it_arrived(shop: Any) -> None:
    header = "transaction_id,customer_id,txn_ts,amount"
    shop.ingest(shop.csv(["1,a,2024-01-01,5", "2,a,2024-01-02,6"], header=header))
    report = shop.ingest(shop.csv(["1,a,2024-01-01,9", "2,a,2024-01-02,6"], header=header))
    assert (report.accepted, report.duplicates) == (1, 1)
    assert any("correct earlier ones" in note for note in report.notes)
    assert shop.rows("transaction_id", "amount", "known_at") == [
        ("1", 5.0, DAY_1),
        ("1", 9.0, "2024-06-01T00:00:00+00:00"),
        ("2", 6.0, DAY_2),
    ]
    same_again = shop.csv(["1,a,2024-01-01,9", "2,a,2024-01-02,6", "3,a,2024-01-03,1"], header=header)
    assert (shop.ingest(same_again).accepted, len(shop.rows())) == (1, 4)


def test_versions_with_a_knowledge_time_are_ordered_by_it(shop: Any) -> None:
    header = "transaction_id,customer_id,txn_ts,amount,updated_at"
    rows = ["1,a,2024-01-01,5,2024-01-01", "1,a,2024-01-01,6,2024-01-05", "1,a,2024-01-01,6,2024-01-07"]
    report = shop.ingest(shop.csv(rows, header=header), mapping={"transaction_id": "transaction_id"})
    assert (report.accepted, report.duplicates) == (2, 1)
    later = ["1,a,2024-01-01,5,2024-01-09", "1,a,2024-01-01,7,2024-01-05", "1,a,2024-01-01,6,2024-01-06"]
    second = shop.ingest(shop.csv(later, header=header), mapping={"transaction_id": "transaction_id"})
    assert (second.accepted, second.duplicates, second.refused) == (1, 1, 1)
    assert [row[0] for row in shop.rows("amount", "known_at")] == [5.0, 5.0, 6.0]
    assert shop.refused() == [
        (
            2,
            "another version of this row is known since the same time, and differs",
            {
                "customer_id": "a",
                "txn_ts": "2024-01-01 00:00:00+00",
                "amount": "7.0",
                "transaction_id": "1",
                "known_at": "2024-01-05 00:00:00+00",
            },
        )
    ]


def test_a_key_that_is_not_one_is_pointed_out(shop: Any) -> None:
    path = shop.csv(["1,a,2024-01-01,5", "1,a,2024-01-01,6"], header="order_id,customer_id,txn_ts,amount")
    guessed = shop.ingest(path)
    assert guessed.accepted == 2, "a column that repeats is not guessed to be the key"
    forced = shop.ingest(path, mapping={"transaction_id": "order_id"}, name="other")
    assert forced.refused == 1
    assert any("--map transaction_id=" in note for note in forced.notes)


def test_rows_without_a_key_among_rows_with_one_are_counted_like_rows_without(shop: Any) -> None:
    header = "transaction_id,customer_id,txn_ts,amount"
    rows = ["1,a,2024-01-01,5", ",a,2024-01-01,5", ",a,2024-01-01,5", "1,a,2024-01-01,5"]
    report = shop.ingest(shop.csv(rows, header=header), duplicates="keep", mapping={"transaction_id": "transaction_id"})
    assert (report.accepted, report.duplicates) == (3, 1)
    grown = shop.csv([*rows, ",a,2024-01-01,5"], header=header)
    again = shop.ingest(grown, duplicates="keep", mapping={"transaction_id": "transaction_id"})
    assert (again.accepted, again.duplicates) == (1, 4)


def test_customers_hold_from_their_sign_up_and_changes_from_their_arrival(shop: Any) -> None:
    header = "customer_id,signup_date,Plan"
    report = shop.ingest(
        shop.csv(["a,2024-01-01,free", "b,,pro"], header=header), entity="customers", mapping={"plan": "Plan"}
    )
    assert any("since the sign-up" in note for note in report.notes)
    changed = shop.csv(["a,2024-01-01,pro", "b,,pro"], header=header)
    second = shop.ingest(changed, entity="customers", mapping={"plan": "Plan"})
    assert (second.accepted, second.duplicates) == (1, 1)
    assert shop.rows("customer_id", "valid_from", "plan", "known_at", entity="customers") == [
        ("a", DAY_1, "free", DAY_1),
        ("a", DAY_1, "pro", "2024-06-01T00:00:00+00:00"),
        ("b", "1900-01-01T00:00:00+00:00", "pro", "1900-01-01T00:00:00+00:00"),
    ]


def test_events_take_a_constant_type_and_a_value_that_may_be_missing(shop: Any) -> None:
    path = shop.csv(["a,2024-01-01,3", "a,2024-01-02,"], header="user_id,ts,duration")
    report = shop.ingest(path, entity="events", mapping={"event_type": "'login'"})
    assert report.accepted == 2
    assert shop.rows("event_type", "value", entity="events") == [("login", 3.0), ("login", None)]


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        (["20240101"], {}, DAY_1),
        (["2024-01-01T02:00:00+02:00"], {}, DAY_1),
        (["2024-01-01 00:00:00Z"], {}, DAY_1),
        (["2024-01-01 01:00"], {"timezone": "Europe/Berlin"}, DAY_1),
        (["01.01.2024"], {"time_format": "%d.%m.%Y"}, DAY_1),
        (["1704067200"], {"time_format": "epoch_s"}, DAY_1),
        (["1704067200000"], {"time_format": "epoch_ms"}, DAY_1),
    ],
)
def test_times_are_read_in_many_forms(shop: Any, values: list[str], options: dict[str, str], expected: str) -> None:
    shop.ingest(shop.csv([f"a,{value},5" for value in values]), **options)
    assert shop.rows("txn_ts") == [(expected,)]


@pytest.mark.parametrize(
    "times",
    [
        pa.array([datetime(2024, 1, 1)], pa.timestamp("ns")),  # noqa: DTZ001
        pa.array([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("ms", "UTC")),
        pa.array([date(2024, 1, 1)]),
        pa.array([20240101]),
        pa.array(["2024-01-01"]).dictionary_encode(),
        pa.array([b"2024-01-01"]).cast(pa.large_string()),
    ],
)
def test_times_of_many_types_are_read(shop: Any, times: pa.Array) -> None:
    path = shop.folder / "t.parquet"
    pq.write_table(pa.table({"customer_id": [17850.0], "txn_ts": times, "amount": [5]}), path)
    shop.ingest(str(path), mapping={"txn_ts": "txn_ts"})
    assert shop.rows("customer_id", "txn_ts") == [("17850", DAY_1)]


def test_text_files_are_read_in_many_forms(shop: Any) -> None:
    plain = "customer_id;txn_ts;amount\na;2024-01-01;5\n"
    files = {
        "semicolon.csv": plain.encode(),
        "tab.tsv": plain.replace(";", "\t").encode(),
        "pipe.txt": plain.replace(";", "|").encode(),
        "blanks.txt": plain.replace(";", "   ").replace("\n", "\n ").encode(),
        "bom.csv": b"\xef\xbb\xbf" + plain.encode(),
        "windows.csv": plain.replace("\n", "\r\n").encode(),
        "gz.csv.gz": gzip.compress(plain.encode()),
        "blank_lines.csv": b"\n\n" + plain.encode(),
        "utf16.csv": plain.encode("utf-16"),
    }
    for number, (name, content) in enumerate(files.items()):
        path = shop.write(name, content)
        encoding = "utf-16" if name.startswith("utf16") else "utf-8"
        report = shop.ingest(path, encoding=encoding)
        assert (report.rows_in, report.duplicates) == (1, min(number, 1)), name
    assert shop.rows("customer_id", "amount") == [("a", 5.0)]


def test_a_file_without_header_gets_numbered_columns(shop: Any) -> None:
    path = shop.write("plain.txt", " 00004 0001 19970101  2   29.33\n 00004 0001 19970118  2   29.73\n")
    mapping = parse_map(["customer_id=column1", "txn_ts=column3", "amount=column5"])
    assert shop.ingest(path, mapping=mapping).accepted == 2
    assert shop.rows("customer_id", "amount") == [("00004", 29.33), ("00004", 29.73)]


def test_directories_and_globs_are_one_batch(shop: Any) -> None:
    folder = shop.folder / "days"
    folder.mkdir()
    for day in (1, 2, 3):
        (folder / f"{day}.csv").write_text(f"customer_id,txn_ts,amount\na,2024-01-0{day},5\n")
    (folder / "_SUCCESS").write_text("")
    assert shop.ingest(str(folder)).accepted == 3
    assert shop.ingest(str(folder / "*.csv")).already


def test_expressions_and_filters_are_evaluated_on_typed_text(shop: Any) -> None:
    rows = ["a,2024-01-01,2,10.5", "c,2023-01-01,1,1"]
    report = shop.ingest(
        shop.csv(rows, header="Customer,Date,Pieces,Price"),
        mapping={"amount": "pieces * price", "year": "year(Date)", "who": "upper(Customer)"},
        where="Date >= '2024-01-01'",
    )
    assert (report.accepted, report.dropped_by) == (1, {"where": 1})
    assert shop.rows("amount", "year", "who") == [(21.0, 2024.0, "A")]


def test_text_that_stops_looking_like_numbers_refuses_its_row(shop: Any) -> None:
    rows = [*("a,2024-01-01,2,1" for _ in range(SAMPLE_ROWS)), "b,2024-01-01,many,1"]
    report = shop.ingest(shop.csv(rows, header="Customer,Date,Qty,Price"), mapping={"customer_id": "Customer"})
    assert (report.accepted, report.refused_by) == (SAMPLE_ROWS, {"Qty is not a number": 1})


def test_further_columns_keep_the_type_that_silver_has(shop: Any) -> None:
    header = "customer_id,txn_ts,amount,zip"
    shop.ingest(shop.csv(["a,2024-01-01,5,01234"], header=header), mapping={"zip": "zip"})
    shop.ingest(shop.csv(["a,2024-01-02,5,91234"], header=header), mapping={"zip": "zip"})
    assert shop.rows("zip") == [("01234",), ("91234",)]


def test_the_plan_shows_the_guess_and_changes_nothing(shop: Any) -> None:
    header = "InvoiceNo,Qty,Unit Price,Invoice Date,Customer ID,mail"
    before = shop.picture()
    plan = plan_ingest(shop.lake, shop.request(shop.csv(["1,2,3.5,2024-01-01,a,x@y.org"], header=header)))
    assert shop.picture() == before
    assert {column.target: column.expression for column in plan.mapping} == {
        "customer_id": "Customer ID",
        "txn_ts": "Invoice Date",
        "amount": '"Qty" * "Unit Price"',
    }
    assert all(column.reason for column in plan.mapping)
    mail = plan.columns[-1]
    assert (mail.pii, mail.sample) == ("email", ("x***",))


def test_progress_ends_with_everything_done(shop: Any) -> None:
    steps: list[tuple[str, int, int]] = []
    ingest(shop.lake, shop.request(shop.csv(["a,2024-01-01,5"] * 9)), on_progress=lambda *step: steps.append(step))
    assert steps[0][0] == "read"
    assert ("read", 9, 9) in steps
    assert steps[-1] == ("write", 1, 1)


def test_a_batch_that_another_ingest_overtook_is_not_committed(shop: Any) -> None:
    other = shop.csv(["a,2024-01-01,5", "b,2024-01-01,1"], name="other.csv")
    mine = shop.csv(["a,2024-01-01,5"], name="mine.csv")

    def overtake(phase: str, done: int, total: int) -> None:
        if phase == "write" and done == total:
            shop.ingest(other)

    with pytest.raises(ConflictError, match="was committed meanwhile"):
        ingest(shop.lake, shop.request(mine), on_progress=overtake)
    assert len(shop.rows()) == 2
    assert shop.ingest(mine).duplicates == 1


def test_silver_is_sorted_and_bucketed_whatever_the_order_of_the_source(shop: Any) -> None:
    from axiom.lake import bucket_of

    rows = [f"c{n},2024-01-{d:02d},{n}" for n in range(40) for d in range(1, 29)]
    random.Random(1).shuffle(rows)
    shop.ingest(shop.csv(rows))
    for file in shop.lake.snapshot("transactions").commits[0].files:
        table = shop.lake.storage.parquet(file.path).read()
        keys = list(zip(table["customer_id"].to_pylist(), table["txn_ts"].to_pylist(), strict=True))
        assert keys == sorted(keys)
        assert {bucket_of(customer, 2) for customer, _ in keys} == {file.bucket}


def test_columns_may_have_any_name_that_a_query_of_ours_could_use(shop: Any) -> None:
    names = ["n", "c0", "place", "new", "old", "content", "known", "copies", "source", "value"]
    header = ",".join(["customer_id", "txn_ts", "amount", "transaction_id", *names])
    mapping = {"transaction_id": "transaction_id", **{name: name for name in names}}
    rows = [f"a,2024-01-01,5,{key},{','.join(str(n) for n in range(len(names)))}" for key in ("", "", "k")]
    assert shop.ingest(shop.csv(rows, header=header), mapping=mapping, duplicates="keep").accepted == 3
    changed = [*rows[:2], rows[2].replace(",9", ",10"), rows[0].replace(",9", ",10")]
    report = shop.ingest(shop.csv(changed, header=header), mapping=mapping, duplicates="keep")
    assert (report.accepted, report.duplicates) == (2, 2)


def test_customers_without_attributes_are_still_customers(shop: Any) -> None:
    report = shop.ingest(shop.csv(["a", "b", "a"], header="customer_id", name="c.csv"), entity="customers")
    assert (report.accepted, report.duplicates) == (2, 1)
    again = shop.ingest(shop.csv(["a", "c"], header="customer_id", name="c.csv"), entity="customers")
    assert (again.accepted, again.duplicates) == (1, 1)


def test_a_row_that_the_filter_leaves_out_is_not_judged(shop: Any) -> None:
    rows = [*("a,2024-01-01,2,1" for _ in range(SAMPLE_ROWS)), "b,2023-01-01,many,", "b,2024-01-01,many,1"]
    path = shop.csv(rows, header="Customer,Date,Qty,Price")
    report = shop.ingest(path, mapping={"customer_id": "Customer"}, where="Date >= '2024-01-01'")
    assert (report.dropped_by, report.refused_by) == ({"where": 1}, {"Qty is not a number": 1})


def test_rows_that_came_before_their_key_was_mapped_do_not_come_again(shop: Any) -> None:
    path = shop.csv(["1,a,2024-01-01,5", "2,a,2024-01-02,6"], header="order,customer_id,txn_ts,amount")
    assert shop.ingest(path).accepted == 2
    again = shop.ingest(path, mapping={"transaction_id": "order"})
    assert (again.accepted, again.duplicates) == (0, 2)
    grown = shop.csv(["1,a,2024-01-01,5", "3,a,2024-01-03,6"], header="order,customer_id,txn_ts,amount")
    assert shop.ingest(grown, mapping={"transaction_id": "order"}).accepted == 1
