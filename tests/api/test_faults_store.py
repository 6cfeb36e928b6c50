"""The online store away, empty, cleared, overtaken, foreign or damaged: never a wrong score, and the way back."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from axiom.access.keys import issue
from axiom.pipelines.online import clear_online, publish_features
from axiom.pipelines.workspace import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from axiom.pipelines.workspace import Workspace
    from axiom.settings import Settings
    from tests.api.conftest import OwnRedis, Serving

    Serve = Callable[..., AbstractContextManager[Serving]]
    Scored = dict[str, dict[str, Any]]
    Publish = Callable[..., Any]


def right(answer: dict[str, Any], scored: Scored) -> bool:
    return bool(answer["p_churn"] == pytest.approx(scored[answer["customer_id"]]["p_churn"], abs=1e-9))


def all_right(serving: Serving, scored: Scored) -> bool:
    found = serving.ask.post("/churn", {"customer_ids": list(scored)}).json()
    return len(found["predictions"]) == len(scored) and all(right(one, scored) for one in found["predictions"])


@pytest.fixture(params=["lmdb", "redis"])
def stored(request: pytest.FixtureRequest, copy_of: Callable[..., Settings]) -> Settings:
    """Settings of a company of the test's own with its features published, in LMDB and in Redis."""
    if request.param == "lmdb":
        return copy_of(auth="off")
    settings = copy_of(auth="off", redis_url=request.getfixturevalue("empty_redis").url)
    with opened(settings) as ws:
        publish_features(ws)
    return settings


def test_redis_stops_and_comes_back(
    serve: Serve,
    copy_of: Callable[..., Settings],
    own_redis: OwnRedis,
    customers: list[str],
    scored: Scored,
    until: Callable[..., Any],
) -> None:
    settings = copy_of(auth="required", redis_url=own_redis.url)
    with opened(settings) as ws:
        publish_features(ws)
        with ws.db.transaction() as tx:
            key = issue(tx, "shop", scopes=("predict", "explain"), actor="ann", rate=1000.0, burst=1000.0).text
    known, other = customers[0], customers[1]
    with serve(settings, cache_ttl_seconds=0.01) as serving:
        ask = serving.ask
        assert right(ask.churn(known, key=key).json(), scored)
        assert ask.health()["status"] == "ok"

        own_redis.stop()
        for _ in range(3):  # past its time to live, and better than nothing
            reply = ask.churn(known, key=key)
            assert (reply.status_code, reply.json()["cached"]) == (200, True)
            assert right(reply.json(), scored)
        assert ask.clv(known, key=key).status_code == 200
        assert ask.get(f"/explain/{known}", key=key).status_code == 200
        assert ask.post("/churn", {"customer_ids": [known]}, key=key).status_code == 200
        for reply in (
            ask.churn(other, key=key),
            ask.churn("nobody", key=key),  # nobody can know that now
            ask.post("/churn", {"customer_ids": [known, other]}, key=key),
            ask.get(f"/explain/{other}", key=key),
        ):
            assert reply.status_code == 503
            assert int(reply.headers["retry-after"]) > 0
            assert "Redis" in reply.json()["detail"]
        serving.replica.refresh()
        # What the limiter took ahead it spends by itself, and then each replica counts for itself.
        until(lambda: ask.churn(known, key=key).status_code == 200 and serving.replica.limiter.degraded)
        health = ask.health()
        assert health["status"] == "degraded"
        assert set(health["problems"]) == {"store", "limits"}
        assert health["cache"]["stale"] > 0

        own_redis.start()
        until(lambda: ask.churn(other, key=key).status_code == 200 and not serving.replica.limiter.degraded)
        serving.until_health("ok")
        assert right(ask.churn(other, key=key).json(), scored)
        assert ask.churn("nobody", key=key).status_code == 404


def test_a_replica_that_starts_without_its_redis_says_so_and_recovers(
    serve: Serve, copy_of: Callable[..., Settings], own_redis: OwnRedis, scored: Scored
) -> None:
    settings = copy_of(auth="off", redis_url=own_redis.url)
    with opened(settings) as ws:
        publish_features(ws)
    own_redis.stop()
    with serve(settings) as serving:
        assert serving.ask.get("/health").status_code == 503
        assert "Redis" in serving.ask.health()["problems"]["store"]
        assert serving.ask.churn(next(iter(scored))).status_code == 503
        own_redis.start()
        serving.until_health("ok")
        assert all_right(serving, scored)


def test_an_empty_store_tells_the_way_out_and_is_filled_while_running(
    serve: Serve, own: Settings, own_ws: Workspace, scored: Scored, customers: list[str]
) -> None:
    clear_online(own_ws)
    with serve(own) as serving:
        for reply in (
            serving.ask.churn(customers[0]),
            serving.ask.clv(customers[0]),
            serving.ask.get(f"/explain/{customers[0]}"),
            serving.ask.post("/churn", {"customer_ids": customers}),
        ):
            assert reply.status_code == 503
            assert reply.headers["retry-after"]
            assert "axiom online sync" in reply.json()["hint"]
        health = serving.ask.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "unavailable")
        history = {"history": {"transactions": [{"txn_ts": "2023-09-01", "amount": 9.5}]}, "as_of": "2023-09-30"}
        assert serving.ask.post("/churn", history).status_code == 200  # who brings his features needs no store
        publish_features(own_ws)
        serving.replica.refresh()
        assert serving.ask.health()["status"] == "ok"
        assert all_right(serving, scored)


def test_a_store_that_is_cleared_while_running_answers_no_more_until_it_is_filled(
    serve: Serve, stored: Settings, scored: Scored, customers: list[str]
) -> None:
    with serve(stored) as serving, opened(stored) as ws:
        assert all_right(serving, scored)
        clear_online(ws)
        serving.replica.refresh()
        assert serving.ask.churn(customers[0]).status_code == 503
        assert serving.ask.health()["status"] == "unavailable"
        publish_features(ws)
        serving.replica.refresh()
        assert all_right(serving, scored)


@pytest.mark.parametrize("url", ["/churn", "/clv", "batch", "/explain"])
def test_two_publishes_before_the_replica_looks_again_are_no_failure(
    serve: Serve, stored: Settings, scored: Scored, customers: list[str], publish: Publish, url: str
) -> None:
    def asked() -> Any:
        if url == "batch":
            return serving.ask.post("/churn", {"customer_ids": customers})
        return (
            serving.ask.get(f"/explain/{customers[0]}")
            if url == "/explain"
            else serving.ask.get(url, params={"customer_id": customers[0]})
        )

    with serve(stored) as serving, opened(stored) as ws:
        publish(ws)
        newest = publish(ws)  # the generation of the replica is gone
        held = serving.replica.lines.store
        assert held is not None
        assert held.generation != newest.generation
        reply = asked()
        assert reply.status_code == 200, reply.text
        assert serving.ask.health()["store"]["generation"] == newest.generation
        assert all_right(serving, scored)


def test_publishing_again_and_again_under_load_fails_no_request(
    serve: Serve, stored: Settings, scored: Scored, publish: Publish
) -> None:
    names = list(scored)
    with serve(stored, watch_seconds=0.01) as serving, opened(stored) as ws:
        done = threading.Event()

        def keep_publishing() -> None:
            for turn in range(6):
                publish(ws, backwards=turn % 2 == 0)
            done.set()

        serving.replica.start()  # looks by itself from now on
        publisher = threading.Thread(target=keep_publishing)
        publisher.start()
        turn = 0
        while not done.is_set() or turn < len(names):
            reply = serving.ask.churn(names[turn % len(names)])
            assert reply.status_code == 200, reply.text
            assert right(reply.json(), scored)
            turn += 1
        publisher.join()
        assert all_right(serving, scored)


def test_the_order_of_the_features_in_the_store_changes_no_answer(
    serve: Serve, own: Settings, own_ws: Workspace, scored: Scored, publish: Publish
) -> None:
    with serve(own) as serving:
        assert all_right(serving, scored)
        publish(own_ws, backwards=True)
        serving.replica.refresh()
        assert all_right(serving, scored)
        assert serving.ask.health()["status"] == "ok"
        serving.replica.check()  # with a vector of the new order, or none


def test_features_that_the_champion_does_not_read_are_never_scored(
    serve: Serve, stored: Settings, scored: Scored, publish: Publish
) -> None:
    with serve(stored) as serving, opened(stored) as ws:
        assert all_right(serving, scored)
        publish(ws, feature_set="another", plus=1000.0)
        serving.replica.refresh()
        assert all_right(serving, scored)
        health = serving.ask.health()
        assert health["status"] == "degraded"
        assert "another" in health["problems"]["model churn"]
        assert "still in use" in health["problems"]["model churn"]

        publish(ws, feature_set="another", plus=1000.0)  # and now the features before are gone as well
        serving.replica.refresh()
        found = serving.ask.post("/churn", {"customer_ids": [*scored, "nobody"]})
        assert found.status_code == 503 or all(right(one, scored) for one in found.json()["predictions"])

        publish(ws)
        serving.replica.refresh()
        assert all_right(serving, scored)
        assert serving.ask.health()["status"] == "ok"


def test_a_truncated_record_is_named_and_the_others_answer(
    serve: Serve, own: Settings, scored: Scored, customers: list[str]
) -> None:
    import lmdb

    generation = next(path for path in (own.home / "online").iterdir() if path.is_dir())
    with lmdb.open(str(generation), map_size=1 << 24) as environment, environment.begin(write=True) as tx:
        first, third = (bytes(tx.get(customers[i].encode()) or b"") for i in (0, 2))
        tx.put(customers[0].encode(), first[:40])
        tx.put(customers[1].encode(), third)
    with serve(own) as serving:
        for damaged in customers[:2]:
            for reply in (
                serving.ask.churn(damaged),
                serving.ask.clv(damaged),
                serving.ask.get(f"/explain/{damaged}"),
                serving.ask.post("/churn", {"customer_ids": [customers[5], damaged]}),
            ):
                assert reply.status_code == 500
                assert reply.json()["type"] == "/problems/corrupt"
                assert damaged in reply.json()["detail"]
                assert "axiom online sync" in reply.json()["hint"]
        others = {name: scored[name] for name in customers[2:]}
        assert all_right(serving, others)


def test_a_store_whose_description_is_damaged_leaves_the_replica_as_it_is(
    serve: Serve, own: Settings, scored: Scored
) -> None:
    pointer = own.home / "online" / "current.json"
    held = pointer.read_bytes()
    with serve(own) as serving:
        assert all_right(serving, scored)
        pointer.write_bytes(held[:50])
        serving.replica.refresh()
        assert "store" in serving.ask.health()["problems"]
        assert all_right(serving, scored)
        pointer.write_bytes(held)
        serving.until_health("ok")


def test_many_requests_that_meet_a_lost_generation_are_all_answered(
    serve: Serve, stored: Settings, scored: Scored, publish: Publish, runner: asyncio.Runner
) -> None:
    import httpx

    async def at_once() -> list[httpx.Response]:
        transport = httpx.ASGITransport(serving.ask.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://axiom") as client:
            return await asyncio.gather(*(client.get("/churn", params={"customer_id": name}) for name in scored))

    with serve(stored, cache_customers=10) as serving, opened(stored) as ws:
        publish(ws)
        publish(ws)
        replies = runner.run(at_once())
    assert {reply.status_code for reply in replies} == {200}
    assert all(right(reply.json(), scored) for reply in replies)


def test_a_cache_smaller_than_a_batch_loses_nobody_of_a_remote_store(
    serve: Serve, stored: Settings, scored: Scored
) -> None:
    with serve(stored, cache_customers=2, cache_ttl_seconds=0.001) as serving:
        for _ in range(3):
            assert all_right(serving, scored)
