"""A roll-out inside one replica: sticky shares, silent shadows, switches without a failed request, each one audited."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from axiom.registry import steering
from axiom.scoring.inference import read_inference

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from axiom.pipelines.workspace import Workspace
    from axiom.settings import Settings
    from tests.api.conftest import Serving

    Serve = Callable[..., AbstractContextManager[Serving]]


def answers(serving: Serving, customers: list[str]) -> dict[str, dict[str, Any]]:
    found = serving.ask.post("/churn", {"customer_ids": customers}).json()["predictions"]
    return {one["customer_id"]: one for one in found}


def logged(ws: Workspace) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return list(read_inference(ws.lake.storage, now - timedelta(hours=1), now + timedelta(hours=1)).to_pylist())


@pytest.fixture
def company(own_ws: Workspace) -> Workspace:
    """`own` with churn@2 for champion."""
    own_ws.registry.promote("churn", 2, "champion", actor="ann", reason="better")
    return own_ws


@pytest.fixture
def said_by(serve: Serve, copy_of: Callable[..., Settings], customers: list[str]) -> dict[str, dict[str, float]]:
    """What churn@1 and churn@2 say of everybody, each as the only champion."""
    from axiom.pipelines.workspace import opened

    found = {}
    for version in (1, 2):
        settings = copy_of(auth="off")
        with opened(settings) as ws:
            ws.registry.promote("churn", version, "champion", actor="ann", reason="alone")
        with serve(settings) as serving:
            found[f"churn@{version}"] = {name: one["p_churn"] for name, one in answers(serving, customers).items()}
    assert found["churn@1"] != found["churn@2"]
    return found


def test_a_canary_answers_its_share_and_always_the_same_customers(
    serve: Serve, own: Settings, company: Workspace, customers: list[str], said_by: dict[str, dict[str, float]]
) -> None:
    steering.start(company.registry, "churn", 1, "canary", actor="ann", reason="try", share=0.3)
    with serve(own) as serving:
        first = answers(serving, customers)
        canary = {name for name, one in first.items() if one["role"] == "canary"}
        assert 50 <= len(canary) <= 130  # 90 expected, five standard deviations
        for name, one in first.items():
            assert one["model"] == ("churn@1" if name in canary else "churn@2")
            assert one["p_churn"] == pytest.approx(said_by[one["model"]][name], abs=1e-9)
            assert serving.ask.churn(name).json()["model"] == one["model"]
        explained = serving.ask.get(f"/explain/{min(canary)}").json()
        assert (explained["model"], explained["role"]) == ("churn@1", "canary")
        assert {serving.ask.clv(name).json()["role"] for name in customers[:20]} == {"champion"}
        told = serving.ask.health()["models"]["churn"]
        assert (told["champion"]["version"], told["canary"]["version"], told["canary"]["share"]) == (
            "churn@2", "churn@1", 0.3,
        )  # fmt: skip
    with serve(own) as again:  # another replica, or this one after a restart
        assert {name for name, one in answers(again, customers).items() if one["role"] == "canary"} == canary
        steering.set_share(company.registry, "churn", 0.6, actor="ann", reason="more")
        again.replica.refresh()
        more = {name for name, one in answers(again, customers).items() if one["role"] == "canary"}
        assert more > canary
        assert 135 <= len(more) <= 225
        steering.set_share(company.registry, "churn", 0.0, actor="ann", reason="pause")
        again.replica.refresh()
        assert {one["role"] for one in answers(again, customers).values()} == {"champion"}


def test_posted_features_are_the_champions(serve: Serve, own: Settings, company: Workspace) -> None:
    steering.start(company.registry, "churn", 1, "canary", actor="ann", reason="try", share=1.0)
    with serve(own) as serving:
        body = {"history": {"transactions": [{"txn_ts": "2023-09-01", "amount": 9.5}]}, "as_of": "2023-09-30"}
        assert serving.ask.post("/churn", body).json()["role"] == "champion"
        assert serving.ask.churn("C0000000").json()["role"] == "canary"


def test_shadows_are_logged_and_never_answer(
    serve: Serve, own: Settings, company: Workspace, customers: list[str], said_by: dict[str, dict[str, float]]
) -> None:
    steering.start(company.registry, "churn", 1, "shadow", actor="ann", reason="watch")
    with serve(own) as serving:
        found = answers(serving, customers)
        assert {(one["model"], one["role"]) for one in found.values()} == {("churn@2", "champion")}
        alone = serving.ask.churn("C0000000", headers={"x-request-id": "mine"}).json()
        assert alone["p_churn"] == pytest.approx(said_by["churn@2"]["C0000000"], abs=1e-9)
        assert [one["version"] for one in serving.ask.health()["models"]["churn"]["shadows"]] == ["churn@1"]
    rows = logged(company)
    shadows = [row for row in rows if row["role"] == "shadow"]
    assert len(rows) == 2 * len(shadows) == 2 * (len(customers) + 1)
    for row in shadows:
        assert row["model"] == "churn@1"
        assert row["value"] == pytest.approx(said_by["churn@1"][row["customer_id"]], abs=1e-9)
    assert sorted(row["role"] for row in rows if row["request_id"] == "mine") == ["champion", "shadow"]


def test_a_shadow_with_a_bug_harms_nobody(
    serve: Serve, own: Settings, company: Workspace, until: Callable[..., Any]
) -> None:
    class Broken:
        def score(self, vector: Any) -> Any:
            raise ZeroDivisionError

        def score_many(self, matrix: Any) -> Any:
            raise ZeroDivisionError

    from dataclasses import replace

    steering.start(company.registry, "churn", 1, "shadow", actor="ann", reason="watch")
    with serve(own) as serving:
        lines = serving.replica.lines
        assert lines.churn is not None
        shadow = replace(lines.churn.shadows[0], bound=Broken())  # type: ignore[arg-type]
        serving.replica.lines = replace(lines, churn=replace(lines.churn, shadows=(shadow,)))
        assert serving.ask.churn("C0000000").status_code == 200
        counted = 'axiom_predict_rejected_total{reason="shadow"} 1.0'
        until(lambda: counted in serving.ask.get("/metrics").text)
        assert serving.ask.churn("C0000000").status_code == 200


@pytest.mark.parametrize("stage", ["canary", "shadow"])
def test_a_version_on_trial_that_is_damaged_leaves_everybody_to_the_champion(
    serve: Serve, own: Settings, company: Workspace, customers: list[str], stage: Any
) -> None:
    share = 0.5 if stage == "canary" else 0.0
    steering.start(company.registry, "churn", 1, stage, actor="ann", reason="try", share=share)
    path = own.home / "lake" / company.registry.get("churn", 1).artefact_path
    path.write_bytes(path.read_bytes()[:-10])
    with serve(own) as serving:
        assert {one["model"] for one in answers(serving, customers).values()} == {"churn@2"}
        health = serving.ask.health()
        assert health["status"] == "degraded"
        assert f"model churn {stage} churn@1" in health["problems"]


def test_promotions_and_rollbacks_under_load_fail_no_request(
    serve: Serve,
    own: Settings,
    company: Workspace,
    customers: list[str],
    runner: asyncio.Runner,
    said_by: dict[str, dict[str, float]],
) -> None:
    replies: list[httpx.Response] = []
    registry = company.registry

    async def load(serving: Serving) -> None:
        transport = httpx.ASGITransport(serving.ask.app)
        done = asyncio.Event()

        async def keep_asking() -> None:
            turn = 0
            async with httpx.AsyncClient(transport=transport, base_url="http://axiom") as client:
                while not done.is_set():
                    body = {"customer_id": customers[turn % len(customers)]}
                    replies.append(await client.post("/churn", json=body))
                    turn += 1
                    await asyncio.sleep(0)

        async def champion() -> str:
            async with httpx.AsyncClient(transport=transport, base_url="http://axiom") as client:
                return str((await client.post("/churn", json={"customer_id": "C0000000"})).json()["model"])

        asking = asyncio.create_task(keep_asking())
        for _ in range(3):
            await asyncio.to_thread(registry.promote, "churn", 1, "champion", actor="ann", reason="simpler")
            await asyncio.to_thread(serving.replica.refresh)
            assert await champion() == "churn@1"
            await asyncio.to_thread(registry.rollback, "churn", actor="bob", reason="worse")
            await asyncio.to_thread(serving.replica.refresh)
            assert await champion() == "churn@2"
        done.set()
        await asking

    with serve(own) as serving:
        runner.run(load(serving))
        assert serving.ask.health()["status"] == "ok"
    assert {reply.status_code for reply in replies} == {200}
    told = [reply.json() for reply in replies]
    assert {one["model"] for one in told} == {"churn@1", "churn@2"}
    for one in told:
        assert one["p_churn"] == pytest.approx(said_by[one["model"]][one["customer_id"]], abs=1e-9)
    events = [(event.action, event.actor, event.reason) for event in registry.history("churn")]
    assert events.count(("promote", "ann", "simpler")) == 3
    assert sum(actor == "bob" and reason == "worse" for _, actor, reason in events) >= 3


def test_a_replica_that_runs_picks_a_promotion_up_by_itself(
    serve: Serve, own: Settings, company: Workspace, until: Callable[..., Any]
) -> None:
    with serve(own, watch_seconds=0.02) as serving:
        serving.replica.start()
        assert serving.ask.churn("C0000000").json()["model"] == "churn@2"
        company.registry.promote("churn", 1, "champion", actor="ann", reason="simpler")
        until(lambda: serving.ask.churn("C0000000").json()["model"] == "churn@1")
        company.registry.rollback("churn", actor="ann", reason="worse")
        until(lambda: serving.ask.churn("C0000000").json()["model"] == "churn@2")


def test_every_switch_of_a_roll_out_is_in_the_history(company: Workspace) -> None:
    registry = company.registry
    before = len(registry.history("churn"))
    steering.start(registry, "churn", 1, "canary", actor="ann", reason="try", share=0.1)
    steering.set_share(registry, "churn", 0.5, actor="bob", reason="goes well")
    registry.promote("churn", 1, "champion", actor="cid", reason="won")
    told = [(event.version, event.actor) for event in registry.history("churn")[before:]]
    assert {(1, "ann"), (1, "bob"), (1, "cid")} <= set(told)
