from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from axiom.errors import AxiomError, BadInputError, CorruptError, MisuseError, NotFoundError
from axiom.lake.views import query
from axiom.pipelines.customer import customer_row
from axiom.pipelines.explain import explain_customer
from axiom.pipelines.explain_global import explain_model
from axiom.pipelines.ingest import ingest_source
from axiom.pipelines.train import TrainRequest, train_churn
from axiom.pipelines.workspace import create, opened
from axiom.settings import Settings
from axiom.sources.request import FileSource, IngestRequest
from axiom.training.options import ChurnOptions

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.pipelines.workspace import Workspace

LINEAR, TREES = ("churn", "1"), ("churn", "2")


@pytest.mark.parametrize("churn", [LINEAR, TREES])
def test_base_and_contributions_add_up_to_what_the_model_says(trained_company: Workspace, churn: Any) -> None:
    found = explain_customer(trained_company, "C0000042", churn=churn).churn
    assert found is not None
    total = found.base + sum(term.contribution for term in found.terms)
    assert 1 / (1 + np.exp(-total)) == pytest.approx(found.p_raw, rel=1e-6)
    sizes = [abs(term.contribution) for term in found.terms]
    assert sizes == sorted(sizes, reverse=True)
    assert all(reason.contribution > 0 for reason in found.reasons)


def test_an_explanation_says_what_the_score_set_says(trained_company: Workspace, quoted_customer: str) -> None:
    scores = {row["customer_id"]: row for row in query(trained_company.lake, "select * from scores").to_pylist()}
    for customer in ("C0000042", quoted_customer):
        found, score = explain_customer(trained_company, customer), scores[customer]
        assert found.churn is not None
        assert found.clv is not None
        assert (found.churn.model, found.clv.model) == (score["churn_model"], score["clv_model"])
        assert found.churn.p_churn == pytest.approx(score["p_churn"])
        for name in ("p_alive", "expected_purchases", "clv_mean", "clv_p05", "clv_p95"):
            assert getattr(found.clv, name) == pytest.approx(score[name]), name


def test_a_row_computed_for_one_customer_is_the_row_that_a_build_makes(own_company: Workspace) -> None:
    from axiom.pipelines.build import BuildRequest, build

    moment = datetime(2023, 8, 8, tzinfo=UTC)
    alone = customer_row(own_company, "C0000007", as_of=moment).row
    built = build(own_company, BuildRequest(as_of=moment, labels=False))
    again = customer_row(own_company, "C0000007", as_of=moment).row
    table = own_company.lake.dataset("features", built.features_id).read()
    assert alone.to_pylist() == again.to_pylist()
    assert alone.to_pylist() == table.filter(pc.equal(table["customer_id"], "C0000007")).to_pylist()


def test_actions_of_ones_own_come_before_those_of_axiom(own_company: Workspace) -> None:
    before = explain_customer(own_company, "C0000042", churn=TREES).churn
    mine = "drivers:\n- driver: anything\n  features: ['*']\n  action: send flowers\n"
    (own_company.settings.home / "actions.yaml").write_text(mine)
    after = explain_customer(own_company, "C0000042", churn=TREES).churn
    assert before is not None
    assert after is not None
    assert before.actions
    assert after.actions == ("send flowers",)
    assert [reason.feature for reason in after.reasons] == [reason.feature for reason in before.reasons]
    (own_company.settings.home / "actions.yaml").write_text("drivers: [{driver: half}]")
    with pytest.raises(BadInputError, match=r"actions\.yaml, driver 1: it must have exactly the keys"):
        explain_customer(own_company, "C0000042")


@pytest.mark.parametrize(
    ("customer", "asked", "error", "line"),
    [
        ("nobody", {}, NotFoundError, "there is no customer 'nobody' in the lake"),
        ("", {}, NotFoundError, "there is no customer '' in the lake"),
        ("' or 1=1; --", {}, NotFoundError, "there is no customer"),
        ("C0000042", {"as_of": datetime(2023, 1, 3, tzinfo=UTC)}, NotFoundError, "was not known yet at 2023-01-03"),
        ("C0000042", {"as_of": datetime(2022, 1, 3, tzinfo=UTC)}, BadInputError, "lies before the data"),
        ("C0000042", {"churn": ("churn", "9")}, NotFoundError, "no model churn@9"),
        ("C0000042", {"churn": ("clv", "1")}, MisuseError, "clv@1 is a clv model, not a churn model"),
    ],
)
def test_what_cannot_be_explained_is_told(
    trained_company: Workspace, customer: str, asked: dict[str, Any], error: type[AxiomError], line: str
) -> None:
    with pytest.raises(error, match=line) as refused:
        explain_customer(trained_company, customer, **asked)
    assert refused.value.hint or error is MisuseError


def test_without_models_the_way_to_one_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, engine="inline", buckets=1)
    create(settings)
    with opened(settings) as ws, pytest.raises(NotFoundError, match="no model is registered"):
        explain_customer(ws, "C1")


def test_a_corrupted_artefact_explains_nothing(own_company: Workspace) -> None:
    path = own_company.settings.home / "lake" / own_company.registry.get(*TREES).artefact_path
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(CorruptError, match="checksum"):
        explain_customer(own_company, "C0000042")
    with pytest.raises(CorruptError, match="checksum"):
        explain_model(own_company, TREES)


def test_who_has_not_bought_yet_has_reasons_but_no_value(own_company: Workspace, tmp_path: Path) -> None:
    visit = {"customer_id": "visitor", "event_ts": datetime(2023, 9, 20, tzinfo=UTC), "event_type": "login"}
    pq.write_table(pa.Table.from_pylist([visit]), tmp_path / "visits.parquet")
    visits = IngestRequest("events", FileSource((str(tmp_path / "visits.parquet"),)))
    ingest_source(own_company, visits, source_name="visits")
    found = explain_customer(own_company, "visitor")
    assert found.churn is not None
    assert found.clv is not None
    assert 0 <= found.churn.p_churn <= 1
    assert found.clv.clv_mean is None
    assert "has not bought yet" in found.clv.note


def test_a_model_without_exact_contributions_says_so_and_still_scores(own_company: Workspace) -> None:
    trained = train_churn(own_company, TrainRequest(30), options=ChurnOptions(models=("naive_bayes",), draws=200))
    churn = (trained.version.name, str(trained.version.version))
    found = explain_customer(own_company, "C0000042", churn=churn).churn
    assert found is not None
    assert 0 <= found.p_churn <= 1
    assert (found.terms, found.reasons) == ((), ())
    assert "no exact Shapley values" in found.note
    whole = explain_model(own_company, churn, most=1)
    assert whole.importance
    assert whole.mean_contribution == {}


def test_a_whole_model_is_explained_with_intervals_and_pictures(trained_company: Workspace) -> None:
    found = explain_model(trained_company, TREES, most=2, repeats=2)
    values = [one.increase.value for one in found.importance]
    assert values == sorted(values, reverse=True)
    assert all(one.increase.low <= one.increase.value <= one.increase.high for one in found.importance)
    assert [curve.feature for curve in found.dependence] == [one.feature for one in found.importance[:2]]
    storage = trained_company.lake.storage
    body = json.loads(storage.read(f"{found.report_path}/report.json"))
    assert len(body["importance"]) == len(found.importance)
    assert "| feature |" in storage.read(f"{found.report_path}/report.md").decode()
    for name in ("importance", "partial_dependence"):
        assert storage.read(f"{found.report_path}/{name}.png").startswith(b"\x89PNG")


def test_a_model_is_not_explained_on_rows_it_learnt_from(trained_company: Workspace) -> None:
    seen = trained_company.registry.get(*TREES).card.training_window.train_as_ofs[0]
    with pytest.raises(BadInputError, match="was trained on the rows of"):
        explain_model(trained_company, TREES, as_of=seen)
    with pytest.raises(MisuseError, match="clv@1 is a CLV model"):
        explain_model(trained_company, ("clv", "1"))


def test_the_verb_tells_reasons_value_and_actions(trained_company: Workspace, quoted_customer: str, axiom: Any) -> None:
    plain = axiom(trained_company, "explain", quoted_customer, "--model", "churn@1")
    assert plain.code == 0
    assert quoted_customer in plain.out
    for part in ("what raises it:", "what lowers it:", "value of the next 30 days, by clv@1"):
        assert part in plain.out
    answer = axiom(trained_company, "explain", quoted_customer, "--json").json
    assert answer["customer"] == quoted_customer
    assert answer["churn"]["reasons"][0]["contribution"] > 0
    assert "txn_days_since_last" in answer["features"]


@pytest.mark.parametrize("words", [(), ("C1", "--global", "churn@1")])
def test_the_verb_wants_one_customer_or_one_model(
    trained_company: Workspace, axiom: Any, words: tuple[str, ...]
) -> None:
    outcome = axiom(trained_company, "explain", *words)
    assert (outcome.code, "one customer or one model" in outcome.err) == (2, True)
