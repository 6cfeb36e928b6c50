"""Tables without times."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from axiom.errors import BadInputError, MisuseError, NotFoundError
from axiom.training.calibrate import stratified_folds
from axiom.training.options import ChurnOptions
from axiom.training.static import NO_TIMES, read_static, train_static

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from axiom.training.table import ChurnTable

FAST = ChurnOptions(models=("logistic", "lightgbm"), params={"lightgbm": {"trees": 30}}, draws=100)
CSV = "customerID,plan,total,age,Churn\na1,basic,10.5,30,Yes\na2,pro, ,41,No\na3,basic,7,22,No\na4,pro,9,33,Yes\n"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "telco.csv"
    path.write_text(CSV)
    return path


@pytest.fixture(scope="module")
def static(company: Callable[..., ChurnTable]) -> ChurnTable:
    table = company(customers=600, cutoffs=1)
    return replace(table, as_of=np.full(len(table), "NaT", dtype="datetime64[us]"), x=None, t_x=None, T=None)


def test_a_csv_becomes_a_table_and_what_was_done_is_said(csv: Path) -> None:
    table, notes = read_static(csv, "Churn")
    assert table.static
    assert table.features == ("plan", "total", "age")
    assert table.customer_id.tolist() == ["a1", "a2", "a3", "a4"]
    assert table.churned.tolist() == [True, False, False, True]
    assert table.X.column("total").to_pylist() == [10.5, None, 7.0, 9.0]
    assert notes == (
        "'customerID' names every row differently: taken as the customer id, not as a feature",
        "'total' was read as numbers; 1 blank values count as missing",
    )


def test_parquet_and_compressed_csv_give_the_same_table(csv: Path, tmp_path: Path) -> None:
    packed = tmp_path / "telco.csv.gz"
    packed.write_bytes(gzip.compress(CSV.encode()))
    parquet = tmp_path / "telco.parquet"
    columns = {"customerID": ["a1", "a2", "a3", "a4"], "plan": ["basic", "pro", "basic", "pro"]}
    numbers = {"total": [10.5, None, 7.0, 9.0], "age": [30, 41, 22, 33], "Churn": [True, False, False, True]}
    pq.write_table(pa.table({**columns, **numbers}), parquet)
    hashes = {read_static(path, "Churn")[0].data_hash() for path in (csv, packed, parquet)}
    assert len(hashes) == 1


def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("age,gone\n30,1\n40,\n50,0\n")
    table, notes = read_static(path, "gone")
    assert len(table) == 2
    assert notes == ("1 rows without a value of 'gone' were left out",)


def test_the_positive_value_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("age,state\n30,open\n40,closed\n50,open\n")
    with pytest.raises(MisuseError, match="which of 'closed' and 'open' means churned"):
        read_static(path, "state")
    assert read_static(path, "state", positive="closed")[0].churned.tolist() == [False, True, False]
    with pytest.raises(MisuseError, match="'state' never is 'lost'"):
        read_static(path, "state", positive="lost")


def test_a_target_that_has_not_two_values_is_refused(csv: Path) -> None:
    with pytest.raises(BadInputError, match="'age' must have two values, it has 4: 22, 30, 33, 41"):
        read_static(csv, "age")


def test_a_missing_file_or_column_is_refused(csv: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_static(tmp_path / "nowhere.csv", "Churn")
    with pytest.raises(MisuseError, match="has no column 'churned'") as error:
        read_static(csv, "churned")
    assert "customerID, plan" in error.value.hint


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("name,gone\nJosé,1\nAna,0\n".encode("latin-1"))
    with pytest.raises(BadInputError, match="name is not UTF-8"):
        read_static(path, "gone")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_static(path, "gone")


def test_the_report_declares_that_there_are_no_times(static: ChurnTable) -> None:
    result = train_static(static, FAST, notes=("a note",))
    assert result.report.warnings[:2] == (NO_TIMES, "a note")
    assert result.report.windows["training"] == []
    assert [score.name for score in result.report.models] == ["logistic", "lightgbm", "base_rate"]
    assert set(result.report.model("logistic").fold_losses) == {f"fold {k}" for k in range(1, 6)}
    assert "beat the baseline churn rate alone" in result.report.verdict
    assert NO_TIMES in result.card["notes"]


def test_static_probabilities_are_calibrated_and_judged_out_of_fold(
    static: ChurnTable, truth: Callable[[pa.Table], np.ndarray]
) -> None:
    result = train_static(static, replace(FAST, models=("logistic",), params={}))
    slope = result.report.model("logistic").metrics["calibration_slope"]
    assert slope is not None
    assert slope.low < 1.0 < slope.high
    assert np.abs(result.model.predict_proba(static.X) - truth(static.X)).mean() < 0.06
    assert not np.allclose(result.holdout.p["logistic"], result.model.predict_proba(static.X))


def test_noise_is_not_learnt_out_of_fold(static: ChurnTable) -> None:
    noise = pa.table({f"n{j}": np.random.default_rng(j).normal(size=len(static)) for j in range(40)})
    auc = train_static(static.with_X(noise), FAST).report.model("lightgbm").metrics["auc"]
    assert auc is not None
    assert 0.4 < auc.value < 0.6


def test_folds_are_stratified_and_cover_every_row_once() -> None:
    y = np.arange(103) % 4 == 0
    folds = stratified_folds(y, 5, seed=0)
    assert sorted(np.concatenate(folds).tolist()) == list(range(103))
    assert {int(y[fold].sum()) for fold in folds} <= {5, 6}
    assert not np.array_equal(folds[0], stratified_folds(y, 5, seed=1)[0])


def test_a_tiny_static_table_is_refused(static: ChurnTable) -> None:
    with pytest.raises(BadInputError, match="the table has 10 rows"):
        train_static(static.rows(np.arange(10)), FAST)
