"""A crash at any write leaves every reader where it was, and the retry brings each row in exactly once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from axiom.lake import Lake, Storage
from axiom.lake.compact import clean
from axiom.lake.views import query
from axiom.sources import ingest

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "transaction_id,customer_id,txn_ts,amount"
FIRST = [f"{n},c{n % 7},2024-01-{1 + n % 28:02d},{n}" for n in range(40)]
CORRECTED = ["1,c1,2024-01-02,99" if row.startswith("1,") else row for row in FIRST]
SECOND = [*CORRECTED, ",c1,2024-01-02,5", "50,,2024-01-02,5", "51,c9,2024-02-01,5"]


class _PowerCutError(RuntimeError):
    pass


@dataclass(frozen=True)
class _Fragile(Storage):
    """A store that loses power at its n-th write, and again at every later one."""

    survives: list[int] = field(default_factory=list)

    def _step(self) -> None:
        if self.survives[0] == 0:
            raise _PowerCutError
        self.survives[0] -= 1

    def write(self, path: str, data: bytes) -> None:
        self._step()
        super().write(path, data)

    def put(self, path: str, source: Path) -> tuple[int, str]:
        self._step()
        return super().put(path, source)

    def delete(self, path: str) -> None:
        self._step()
        super().delete(path)


def _fragile(lake: Lake, writes: int) -> Lake:
    return Lake(_Fragile(lake.storage.location, survives=[writes]), lake.buckets, lake.currency)


def test_a_crash_at_any_write_and_a_retry_bring_each_row_in_exactly_once(shop: Any) -> None:
    mapping = {"transaction_id": "transaction_id"}
    shop.ingest(shop.csv(FIRST, header=HEADER, name="first.csv"), mapping=mapping)
    before = shop.rows()
    request = shop.request(shop.csv(SECOND, header=HEADER, name="second.csv"), mapping=mapping)
    crashes = 0
    while True:
        try:
            report = ingest(_fragile(shop.lake, crashes), request)
            break
        except _PowerCutError:
            crashes += 1
        assert shop.rows() == before, f"after a crash at write {crashes}"
        assert len(shop.lake.snapshot("transactions").commits) == 1
    assert crashes >= 6, "two buckets, bronze and its manifest, quarantine and its manifest, the commit"
    assert (report.rows_in, report.accepted, report.duplicates, report.refused) == (43, 3, 39, 1)
    assert len(shop.rows()) == 43
    assert len(shop.refused()) == 1
    for manifest in shop.lake.datasets("quarantine/transactions") + shop.lake.datasets("bronze/transactions"):
        shop.lake.dataset(manifest.kind, manifest.id).verify()
    assert query(shop.lake, "select count(*) as n from transactions").to_pydict() == {"n": [43]}


def test_a_crash_before_the_commit_and_another_batch_in_between_keep_the_accounting(shop: Any) -> None:
    overlap = [f"{n},c{n % 7},2024-01-{1 + n % 28:02d},{n}" for n in range(30, 60)]
    mapping = {"transaction_id": "transaction_id"}
    crashed = shop.request(shop.csv(FIRST, header=HEADER, name="first.csv"), mapping=mapping)
    with pytest.raises(_PowerCutError):
        ingest(_fragile(shop.lake, 4), crashed)
    shop.ingest(shop.csv(overlap, header=HEADER, name="second.csv"), mapping=mapping)
    report = shop.run(crashed)
    assert (report.accepted, report.duplicates) == (30, 10)
    assert len(shop.rows()) == 60


def test_leftovers_of_a_crash_are_cleaned_up_later(shop: Any) -> None:
    from datetime import UTC, datetime, timedelta

    request = shop.request(shop.csv(FIRST, header=HEADER))
    before = shop.picture()
    with pytest.raises(_PowerCutError):
        ingest(_fragile(shop.lake, 2), request)
    assert shop.picture() != before
    clean(shop.lake, now=datetime.now(UTC) + timedelta(days=2))
    assert shop.picture() == before


def test_no_local_file_is_left_behind(shop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with pytest.raises(_PowerCutError):
        ingest(_fragile(shop.lake, 2), shop.request(shop.csv(FIRST, header=HEADER)))
    assert list(scratch.iterdir()) == []
