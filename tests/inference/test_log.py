"""The inference log: never in the way, bounded, whole files only."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from axiom.errors import MisuseError
from axiom.lake import S3Options, Storage
from axiom.scoring.inference import COLUMNS, InferenceLog, inference_schema, read_inference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
AS_OF = datetime(2026, 2, 28, tzinfo=UTC)
NEVER = 3600.0  # seconds: the thread writes on its own only when it is woken


@pytest.fixture(params=["directory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "directory":
        return Storage(str(tmp_path / "lake"))
    location: str = request.getfixturevalue("s3_location")
    return Storage(location, S3Options(request.getfixturevalue("s3_endpoint"), "us-east-1", "key", "secret"))


@pytest.fixture
def directory(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "lake"))


@pytest.fixture
def row() -> Callable[..., tuple[Any, ...]]:
    def make(
        number: int, *, at: Any = None, customer: str | None = "C1", request: str | None = None
    ) -> tuple[Any, ...]:
        when = START + timedelta(seconds=number) if at is None else at
        name = request or f"r{number:06d}"
        bands = (0.1, 0.2, 0.3) if number % 2 else (None, None, None)
        return (name, when, "churn", customer, "id", "churn@1", "champion", 0.5, 0.4, *bands, AS_OF, True, 1.5, "k1")

    return make


def test_rows_come_back_as_they_were_added_in_order_of_time(storage: Storage, row: Any) -> None:
    with InferenceLog(storage, flush_seconds=NEVER) as log:
        for number in (2, 0, 1):
            log.add(row(number))
    table = read_inference(storage, START, START + DAY)
    assert table.schema == inference_schema()
    assert [tuple(found.values()) for found in table.to_pylist()] == [row(number) for number in (0, 1, 2)]
    assert (log.stats.written, log.stats.buffered, log.stats.dropped, log.stats.failed) == (3, 0, 0, 0)


def test_a_day_of_a_customer_is_read_with_the_columns_asked_for(storage: Storage, row: Any) -> None:
    with InferenceLog(storage, flush_seconds=NEVER) as log:
        for day in range(3):
            for customer in ("C1", "C2", None):
                log.add(row(day, at=START + day * DAY, customer=customer, request=f"{day}-{customer}"))
    found = read_inference(storage, START + DAY, START + 2 * DAY, "C2", columns=["customer_id", "value"])
    assert found.to_pylist() == [{"customer_id": "C2", "value": 0.5}]
    assert len(storage.files("inference")) == 3  # one part a day
    assert read_inference(storage, START + DAY, START + DAY).num_rows == 0
    assert read_inference(storage, datetime(2026, 3, 2), datetime(2026, 3, 3), columns=["at"]).num_rows == 3  # noqa: DTZ001


def test_nothing_logged_reads_as_an_empty_table(storage: Storage) -> None:
    assert read_inference(storage, START, START + DAY).schema == inference_schema()


def test_times_may_be_microseconds(directory: Storage, row: Any) -> None:
    with InferenceLog(directory, flush_seconds=NEVER) as log:
        log.add(row(0, at=int(START.timestamp()) * 1_000_000 + 7))
    (found,) = read_inference(directory, START, START + DAY)["at"].to_pylist()
    assert found == START + timedelta(microseconds=7)


def test_a_full_buffer_drops_and_counts_and_no_more_is_held(tmp_path: Path, row: Any) -> None:
    (tmp_path / "file").write_text("no directory")
    with InferenceLog(Storage(str(tmp_path / "file")), most_buffered=10, flush_seconds=NEVER) as log:
        for number in range(25):
            log.add(row(number))
        log.flush()
        assert (log.stats.buffered, log.stats.dropped, log.stats.written) == (10, 15, 0)
    assert (log.stats.buffered, log.stats.dropped) == (10, 25)  # closed with the storage still away: all are lost


def test_rows_wait_for_a_storage_that_comes_back_and_it_is_told_once(
    tmp_path: Path, row: Any, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "lake"
    blocked.write_text("no directory")
    storage = Storage(str(blocked))
    with caplog.at_level(logging.WARNING), InferenceLog(storage, most_buffered=100, flush_seconds=NEVER) as log:
        for number in range(4):
            log.add(row(number))
            log.flush()
        assert log.stats.failed == 4
        assert "does not answer" in log.stats.error
        assert sum("inference_log_not_written" in line for line in caplog.messages) == 1
        blocked.unlink()
        log.flush()
        assert (log.stats.written, log.stats.buffered, log.stats.error) == (4, 0, "")
    assert read_inference(storage, START, START + DAY).num_rows == 4


@pytest.mark.parametrize("broken", [(), None, 7, ("id",), ("id", "no time", *[None] * 14), ("id", None, *[None] * 14)])
def test_a_malformed_row_is_counted_and_takes_no_other_along(directory: Storage, row: Any, broken: Any) -> None:
    with InferenceLog(directory, flush_seconds=NEVER) as log:
        log.add(row(0))
        log.add(broken)
        log.add(row(1))
    assert (log.stats.written, log.stats.dropped, log.stats.buffered) == (2, 1, 0)
    assert read_inference(directory, START, START + DAY)["request_id"].to_pylist() == ["r000000", "r000001"]


def test_sampling_keeps_its_share_and_whole_requests(directory: Storage, row: Any) -> None:
    kept = []
    for _ in range(2):
        with InferenceLog(directory, sample=0.2, flush_seconds=NEVER) as log:
            for number in range(20_000):
                log.add(row(0, request=f"7f3a-{number}"))
                log.add(row(0, request=f"7f3a-{number}"))  # the shadow's row of the same request
            kept.append(log.stats.buffered + log.stats.written)
    assert kept[0] == kept[1]
    assert kept[0] / 40_000 == pytest.approx(0.2, abs=0.01)
    names = read_inference(directory, START, START + DAY)["request_id"].to_pylist()
    assert all(names.count(name) == 4 for name in names[:40:4])


def test_another_salt_samples_other_requests(directory: Storage, row: Any) -> None:
    found = []
    for salt in ("a", "b"):
        storage = Storage(f"{directory.location}/{salt}")
        with InferenceLog(storage, sample=0.5, flush_seconds=NEVER, salt=salt) as log:
            for number in range(1000):
                log.add(row(number))
        found.append(set(read_inference(storage, START, START + DAY)["request_id"].to_pylist()))
    assert 150 < len(found[0] & found[1]) < 350


def test_a_sample_of_nothing_writes_nothing(directory: Storage, row: Any) -> None:
    with InferenceLog(directory, sample=0.0, flush_seconds=NEVER) as log:
        log.add(row(0))
    assert directory.files("inference") == []
    assert log.stats.dropped == 0


def test_two_writers_of_one_name_lose_nothing(storage: Storage, row: Any) -> None:
    logs = [InferenceLog(storage, flush_seconds=NEVER, replica="Predict#a/b") for _ in range(2)]

    def write(log: InferenceLog, first: int) -> None:
        for number in range(first, first + 500):
            log.add(row(number))
            if number % 100 == 0:
                log.flush()

    threads = [threading.Thread(target=write, args=(log, n * 500)) for n, log in enumerate(logs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for log in logs:
        log.close()
    names = read_inference(storage, START, START + DAY)["request_id"].to_pylist()
    assert names == [f"r{number:06d}" for number in range(1000)]


def test_the_thread_writes_early_once_half_the_buffer_is_full(directory: Storage, row: Any) -> None:
    wrote = threading.Event()

    class Telling(Storage):
        def write_parquet(self, *given: Any, **more: Any) -> tuple[int, str]:
            wrote.set()
            return super().write_parquet(*given, **more)

    with InferenceLog(Telling(directory.location), most_buffered=100, flush_seconds=NEVER) as log:
        for number in range(60):
            log.add(row(number))
        assert wrote.wait(60)
    assert log.stats.written == 60


def test_after_close_rows_are_counted_as_dropped_and_closing_twice_is_fine(directory: Storage, row: Any) -> None:
    log = InferenceLog(directory, flush_seconds=NEVER)
    log.close()
    log.close()
    log.add(row(0))
    assert log.stats.dropped == 1


KILLED = """
import os, sys
from datetime import UTC, datetime
from axiom.lake import Storage
from axiom.scoring.inference import InferenceLog
log = InferenceLog(Storage(sys.argv[1]), flush_seconds=0.002)
now = datetime(2026, 3, 1, 12, tzinfo=UTC)
number = 0
while True:
    log.add((f"r{number}", now, "churn", "C1", "id", "m", "champion", *[0.5] * 5, now, True, 1.0, "k"))
    number += 1
    if number % 200 == 0 and log.stats.written > 20_000:
        os.kill(os.getpid(), 9)
"""


def test_a_killed_writer_leaves_whole_files_only(directory: Storage) -> None:
    subprocess.run([sys.executable, "-c", KILLED, directory.location], check=False)
    files = directory.files("inference", ".parquet")
    rows = sum(pq.read_table(f"{directory.location}/{file}", partitioning=None).num_rows for file in files)
    assert rows == read_inference(directory, START, START + DAY).num_rows
    assert rows > 20_000


@pytest.mark.parametrize(
    "wrong", [{"sample": -0.1}, {"sample": 1.1}, {"sample": float("nan")}, {"most_buffered": 0}, {"flush_seconds": 0.0}]
)
def test_settings_that_make_no_sense_are_refused(directory: Storage, wrong: dict[str, Any]) -> None:
    with pytest.raises(MisuseError):
        InferenceLog(directory, **wrong)


def test_reading_refuses_an_unknown_column_and_a_backward_interval(directory: Storage) -> None:
    with pytest.raises(MisuseError, match="'valu'"):
        read_inference(directory, START, START + DAY, columns=["valu"])
    with pytest.raises(MisuseError, match="before it begins"):
        read_inference(directory, START, START - DAY)


def test_the_columns_are_those_of_the_schema() -> None:
    assert tuple(inference_schema().names) == COLUMNS
