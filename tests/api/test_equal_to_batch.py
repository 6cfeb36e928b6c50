"""What is answered online is what `axiom score` wrote, for every customer and whichever way one asks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from axiom.pipelines.score import score

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from axiom.pipelines.workspace import Workspace
    from axiom.settings import Settings
    from tests.api.conftest import Serving

TIMES = {"transactions": "txn_ts", "events": "event_ts", "customers": "valid_from"}


def close(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-9, abs=1e-9)


def equal_churn(answer: dict[str, Any], row: dict[str, Any]) -> bool:
    return bool(answer["p_churn"] == close(row["p_churn"]) and answer["model"] == row["churn_model"])


def equal_clv(answer: dict[str, Any], row: dict[str, Any]) -> bool:
    told = (answer["clv"], answer["expected_purchases"], answer["p_alive"])
    interval = answer["interval"] or dict.fromkeys(("p05", "p50", "p95"))
    assert answer["model"] == row["clv_model"]
    return told == tuple(close(row[name]) for name in ("clv_mean", "expected_purchases", "p_alive")) and all(
        interval[name] == close(row[f"clv_{name}"]) for name in ("p05", "p50", "p95")
    )


def wrong(serving: Serving, scored: dict[str, dict[str, Any]]) -> list[str]:
    """Customers whose answers are not those of the batch."""
    churn = {name: serving.ask.churn(name).json() for name in scored}
    clv = {name: serving.ask.clv(name).json() for name in scored}
    return [name for name, row in scored.items() if not (equal_churn(churn[name], row) and equal_clv(clv[name], row))]


def test_every_customer_is_answered_as_the_batch_scored_him(
    open_serving: Serving, scored: dict[str, dict[str, Any]]
) -> None:
    assert len(scored) == 300
    assert wrong(open_serving, scored) == []


def test_a_logistic_champion_answers_as_the_batch_too(
    serve: Callable[..., AbstractContextManager[Serving]], own: Settings, own_ws: Workspace
) -> None:
    own_ws.registry.promote("churn", 1, "champion", actor="ann", reason="simpler")
    report = score(own_ws)
    rows = own_ws.lake.dataset("scores", report.score_set).read().to_pylist()
    assert {row["churn_model"] for row in rows} == {"churn@1"}
    with serve(own) as serving:
        assert wrong(serving, {row["customer_id"]: row for row in rows}) == []


def test_answers_are_as_of_the_cut_off_of_the_scores(
    open_serving: Serving, scored: dict[str, dict[str, Any]], customers: list[str]
) -> None:
    for path in ("/churn", "/clv"):
        told = open_serving.ask.get(path, params={"customer_id": customers[0]}).json()["as_of"]
        assert datetime.fromisoformat(told) == scored[customers[0]]["as_of"]


@pytest.mark.parametrize("path", ["/churn", "/clv"])
@pytest.mark.parametrize("size", [1, 7, 8, 300])
def test_a_batch_says_what_single_requests_say(
    open_serving: Serving, customers: list[str], path: str, size: int
) -> None:
    asked = customers[:size]
    open_serving.ask.post(path, {"customer_ids": asked})  # from here on all of them are in memory, however one asks
    many = open_serving.ask.post(path, {"customer_ids": asked}).json()
    assert many["not_found"] == []
    for name, one in zip(asked, many["predictions"], strict=True):
        alone = open_serving.ask.post(path, {"customer_id": name}).json()
        assert one.keys() == alone.keys()
        for field in one.keys() - {"interval"}:
            assert one[field] == (close(alone[field]) if isinstance(alone[field], float) else alone[field])
        for limit in one["interval"] or ():
            assert one["interval"][limit] == close(alone["interval"][limit])


def test_a_batch_keeps_order_and_repetitions_and_names_the_unknown(open_serving: Serving, customers: list[str]) -> None:
    asked = [customers[5], "nobody", customers[2], customers[5], "", "nobody"]
    asked.remove("")
    found = open_serving.ask.post("/churn", {"customer_ids": asked}).json()
    assert [one["customer_id"] for one in found["predictions"]] == [customers[5], customers[2], customers[5]]
    assert found["predictions"][0] == found["predictions"][2]
    assert found["not_found"] == ["nobody", "nobody"]


def test_get_says_what_post_says(open_serving: Serving, customers: list[str], quoted_customer: str) -> None:
    for path in ("/churn", "/clv"):
        for name in (*customers[:20], quoted_customer):
            posted = open_serving.ask.post(path, {"customer_id": name}).json()
            assert open_serving.ask.get(path, params={"customer_id": name}).json() == posted


def test_an_explanation_holds_both_predictions_and_adds_up(
    open_serving: Serving, scored: dict[str, dict[str, Any]], customers: list[str], quoted_customer: str
) -> None:
    import math
    from urllib.parse import quote

    for name in (*customers[:20], quoted_customer):
        why = open_serving.ask.get(f"/explain/{quote(name, safe='')}").json()
        assert equal_churn(why, scored[name])
        assert equal_clv(why["clv"], scored[name])
        total = why["base"] + sum(one["contribution"] for one in why["contributions"])
        assert why["scale"] == "log-odds"
        assert 1.0 / (1.0 + math.exp(-total)) == close(why["p_churn_raw"])
        assert [one["contribution"] > 0 for one in why["reasons"]] == [True] * len(why["reasons"])


def test_posted_features_get_the_answer_of_the_customer_who_has_them(
    open_serving: Serving, trained_company: Workspace, scored: dict[str, dict[str, Any]]
) -> None:
    features = trained_company.lake.dataset(
        "features", trained_company.lake.datasets("scores")[-1].properties["features"]
    )
    rows = [row for row in features.read().to_pylist() if row["as_of"] == next(iter(scored.values()))["as_of"]]
    assert len(rows) == 300
    lines = open_serving.replica.lines
    assert lines.churn is not None
    assert lines.clv is not None
    for row in rows:
        for path, line, equal in (("/churn", lines.churn, equal_churn), ("/clv", lines.clv, equal_clv)):
            names = line.champion.posted.layout.layout.names
            reply = open_serving.ask.post(path, {"features": {name: row[name] for name in names}})
            answer = reply.json()
            assert equal(answer, scored[row["customer_id"]]), answer
            assert (answer["customer_id"], answer["cached"]) == (None, False)


def test_a_posted_history_gets_the_answer_of_the_customer_who_has_it(
    open_serving: Serving, trained_company: Workspace, scored: dict[str, dict[str, Any]], customers: list[str]
) -> None:
    as_of = scored[customers[0]]["as_of"]
    histories: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for entity, snapshot in trained_company.lake.snapshots().items():
        for bucket in range(trained_company.lake.buckets):
            for row in snapshot.read(bucket).to_pylist():
                if row[TIMES[entity]] < as_of:
                    told = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()}
                    told.pop("known_at", None)  # when this lake learnt it, long after
                    histories.setdefault(row["customer_id"], {}).setdefault(entity, []).append(told)
    for name in customers[::10]:
        body = {"history": histories[name], "as_of": as_of.isoformat()}
        assert equal_churn(open_serving.ask.post("/churn", body).json(), scored[name])
        answer = open_serving.ask.post("/clv", body).json()
        assert equal_clv(answer, scored[name])
        assert datetime.fromisoformat(answer["as_of"]) == as_of
        assert (answer["customer_id"], answer["cached"]) == (None, False)


def test_a_customer_is_cached_from_the_second_time_on(
    serve: Callable[..., AbstractContextManager[Serving]], own: Settings, customers: list[str]
) -> None:
    with serve(own) as serving:
        assert [serving.ask.churn(customers[0]).json()["cached"] for _ in range(3)] == [False, True, True]
        assert serving.ask.clv(customers[0]).json()["cached"] is True
        many = serving.ask.post("/churn", {"customer_ids": customers[:3]}).json()["predictions"]
        assert [one["cached"] for one in many] == [True, False, False]
        assert serving.ask.health()["cache"] | {"hit_rate": 0} == {
            "customers": 3, "hits": 4, "misses": 3, "stale": 0, "hit_rate": 0,
        }  # fmt: skip


def test_a_cache_smaller_than_a_batch_loses_nobody(
    serve: Callable[..., AbstractContextManager[Serving]],
    own: Settings,
    customers: list[str],
    scored: dict[str, dict[str, Any]],
) -> None:
    with serve(own, cache_customers=2, cache_ttl_seconds=1e-9) as serving:
        for _ in range(2):
            found = serving.ask.post("/churn", {"customer_ids": customers}).json()
            assert found["not_found"] == []
            assert all(equal_churn(one, scored[one["customer_id"]]) for one in found["predictions"])
        assert serving.ask.health()["cache"]["customers"] <= 2
