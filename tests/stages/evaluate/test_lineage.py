from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pytest

from axiom.errors import NotFoundError
from axiom.lake.compact import compact
from axiom.pipelines.lineage import Lineage, lineage_of_customer, lineage_of_model, lineage_of_scores
from axiom.pipelines.score import score

if TYPE_CHECKING:
    from axiom.pipelines.workspace import Workspace
    from axiom.sources.synthetic import SyntheticCompany


def batch_ids(ws: Workspace) -> set[str]:
    return {batch for snapshot in ws.lake.snapshots().values() for batch in snapshot.batch_ids}


def ids(found: Lineage) -> set[str]:
    return {node.facts["batch_id"] for node in found.batches()}


def test_a_model_is_traced_to_the_batches_that_were_there_when_it_was_trained(
    trained_company: Workspace, grown_company: Workspace
) -> None:
    first = batch_ids(trained_company)
    assert len(first) == 2
    assert len(batch_ids(grown_company)) == 4
    for name, version in (("churn", "1"), ("churn", "2"), ("clv", "1")):
        assert ids(lineage_of_model(grown_company, name, version)) == first


def test_a_score_is_traced_to_batches_of_its_features_and_of_its_models(own_grown_company: Workspace) -> None:
    ws = own_grown_company
    old = ws.lake.datasets("scores")[-1].id
    new = score(ws).score_set
    assert ids(lineage_of_scores(ws, new)) == batch_ids(ws)
    assert len(ids(lineage_of_scores(ws, old))) == 2
    made = {node.facts["score_set"] for node in lineage_of_model(ws, "churn", "2").used_by()}
    assert made == {old, new}
    assert lineage_of_model(ws, "churn", "1").used_by() == []


def test_every_edge_leads_from_a_node_to_a_node_and_the_way_is_complete(trained_company: Workspace) -> None:
    found = lineage_of_scores(trained_company, trained_company.lake.datasets("scores")[-1].id)
    nodes = {node.id: node.kind for node in found.nodes}
    kinds = {(nodes[source], nodes[target]) for source, target in found.edges}
    assert kinds == {
        ("batch", "snapshot"),
        ("snapshot", "features"),
        ("snapshot", "labels"),
        ("features", "model"),
        ("labels", "model"),
        ("features", "scores"),
        ("model", "scores"),
    }
    assert len(nodes) == len(found.nodes)


def test_a_customer_is_told_how_many_rows_each_batch_holds(
    trained_company: Workspace, shop: SyntheticCompany, quoted_customer: str
) -> None:
    until = datetime(2023, 9, 30, tzinfo=UTC)
    for customer in ("C0000042", quoted_customer):
        found = lineage_of_customer(trained_company, customer)
        assert found.node(found.root).facts["p_churn"] is not None
        for node in found.batches():
            entity, column = node.facts["entity"], {"transactions": "txn_ts", "events": "event_ts"}
            rows = shop.tables[entity]
            mine = pc.and_(pc.equal(rows["customer_id"], customer), pc.less(rows[column[entity]], until))
            assert node.facts["rows_of_customer"] == pc.sum(mine).as_py()


def test_after_compaction_the_batches_keep_their_names(own_grown_company: Workspace) -> None:
    ws = own_grown_company
    before = ids(lineage_of_customer(ws, "C0000042"))
    assert compact(ws.lake, "events", max_files=1) is not None
    found = lineage_of_customer(ws, "C0000042")
    assert ids(found) == before
    merged = [node for node in found.batches() if node.facts["entity"] == "events"]
    assert [node.facts["rows_of_customer"] for node in merged] == [None]
    assert "merged with others since" in merged[0].label


def test_what_is_gone_or_untold_is_said(own_company: Workspace) -> None:
    version = own_company.registry.get("churn", 1)
    files = own_company.registry.load_files(version)
    del files["trained_on.json"]
    silent = own_company.registry.register(version.card, files)
    found = lineage_of_model(own_company, "churn", str(silent.version))
    assert "does not say what it was trained on" in found.node(found.root).label
    assert found.batches() == []
    for manifest in own_company.lake.datasets("labels"):
        own_company.lake.storage.delete(f"gold/labels/{manifest.id}/_manifest.json")
    labels = [node for node in lineage_of_model(own_company, "churn", "1").nodes if node.kind == "labels"]
    assert labels[0].facts["gone"]


def test_unknown_customers_and_score_sets_are_named(trained_company: Workspace) -> None:
    with pytest.raises(NotFoundError, match="customer 'nobody' has no score"):
        lineage_of_customer(trained_company, "nobody")
    with pytest.raises(NotFoundError, match="no score set 'none'") as refused:
        lineage_of_scores(trained_company, "none")
    assert trained_company.lake.datasets("scores")[-1].id in refused.value.hint
    with pytest.raises(NotFoundError, match="no model churn@9"):
        lineage_of_model(trained_company, "churn", "9")


def test_one_command_answers_which_batches_fed_this_score(
    trained_company: Workspace, quoted_customer: str, axiom: Any
) -> None:
    answer = axiom(trained_company, "lineage", "--customer", quoted_customer, "--json").json
    assert set(answer["batches"]) == batch_ids(trained_company)
    plain = axiom(trained_company, "lineage", "--customer", quoted_customer)
    assert plain.code == 0
    assert all(batch in plain.out for batch in answer["batches"])
    assert "fed by 2 batches" in plain.out
    model = axiom(trained_company, "models", "lineage", "churn@2")
    assert "used by:" in model.out
    assert axiom(trained_company, "lineage").code == 2


def test_a_tree_shows_each_branch_once(trained_company: Workspace) -> None:
    lines = lineage_of_customer(trained_company, "C0000042").tree()
    batches = [line for line in lines if "batch" in line]
    assert len(batches) == 2
    assert any(line.endswith("as above") for line in lines)
    assert all("├─" in line or "└─" in line for line in lines[1:])
