"""Publishing and exporting score sets."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from axiom.errors import NotFoundError
from axiom.pipelines.publish import export_scores, publish_scores
from axiom.pipelines.score import score

if TYPE_CHECKING:
    from axiom.pipelines.workspace import Workspace


def test_scores_never_go_back_in_time(own_company: Workspace) -> None:
    ws = own_company
    newest = publish_scores(ws, online=False)
    older = score(ws, as_of=newest.as_of - timedelta(days=7), gate=False, publish=False)
    report = publish_scores(ws, older.score_set, online=False)
    assert (report.published, report.score_set) == (False, older.score_set)
    with ws.db.reading() as tx:
        assert [one.id for one in tx.scores.sets()] == [newest.score_set]
    assert publish_scores(ws, newest.score_set, online=False).published


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_score_set_is_one_file_with_a_row_a_customer(own_company: Workspace, form: str) -> None:
    import duckdb

    report = export_scores(own_company, form=form)  # type: ignore[arg-type]
    path = own_company.lake.storage.full(report.path)
    (rows,) = duckdb.sql(f"select count(distinct customer_id) from '{path}'").fetchall()
    assert rows == (report.rows,)
    assert export_scores(own_company, form=form) == report  # type: ignore[arg-type]


def test_a_score_set_that_is_not_there_is_not_found(own_company: Workspace) -> None:
    for use in (publish_scores, export_scores):
        with pytest.raises(NotFoundError, match="no scores dataset"):
            use(own_company, "nothing")
