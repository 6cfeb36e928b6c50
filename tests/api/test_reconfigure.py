"""Other options for a replica that answers: taken over in place, or refused while those before stay in use."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from axiom.errors import MisuseError
from axiom.serve.predict import deployment
from axiom.serve.predict.deployment import Predict
from axiom.serve.predict.options import PredictOptions

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from axiom.settings import Settings
    from tests.api.conftest import Serving

    Serve = Callable[..., AbstractContextManager[Serving]]


def test_options_change_and_nothing_that_is_held_gets_lost(serve: Serve, own: Settings, customers: list[str]) -> None:
    with serve(own, cache_ttl_seconds=3600.0) as serving:
        replica, names = serving.replica, customers[:8]
        ask = lambda: [serving.ask.churn(name).json()["cached"] for name in names]  # noqa: E731
        assert [ask(), ask()] == [[False] * 8, [True] * 8]
        assert replica.log.stats.buffered == 16

        replica.adopt(PredictOptions(log_sample=0.0, log_flush_seconds=3600.0, cache_customers=3))
        assert ask() == [True] * 8, "what is held stays until something new comes"
        serving.ask.churn(customers[9])
        assert serving.ask.health()["cache"]["customers"] == 3
        stats = replica.log.stats
        assert (stats.buffered + stats.written, stats.dropped) == (16, 0)

        replica.adopt(PredictOptions(cache_ttl_seconds=1e-9, log_flush_seconds=3600.0))
        assert [ask()[-1], ask()[-1]] == [False, False]
        assert sum((replica.log.stats.buffered, replica.log.stats.written)) == 32


def test_another_model_line_answers_and_one_that_is_not_there_leaves_the_one_before(
    serve: Serve, own: Settings, customers: list[str]
) -> None:
    from axiom.pipelines.workspace import opened

    with serve(own) as serving:
        replica, one = serving.replica, customers[0]
        before = serving.ask.churn(one).json()
        replica.adopt(PredictOptions(models={"churn": "nowhere", "clv": "clv"}, log_flush_seconds=3600.0))
        assert serving.ask.churn(one).json()["p_churn"] == before["p_churn"]
        health = serving.ask.health()
        assert health["status"] == "degraded"
        assert "'nowhere'" in health["problems"]["model churn"]

        with opened(own) as ws:
            version = ws.registry.get("churn", 1)
            twin = replace(version.card, name="other")
            again = ws.registry.register(twin, ws.registry.load_files(version))
        replica.adopt(PredictOptions(models={"churn": "other", "clv": "clv"}, log_flush_seconds=3600.0))
        assert serving.ask.churn(one).json()["model"] == again.ref
        assert serving.ask.health()["status"] == "ok"


@pytest.fixture
def deployed(own: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Predict]:
    """A replica as Ray makes it. Logging and the time that a thread may run for belong to the process of the tests."""
    monkeypatch.setattr(deployment, "configure_logging", lambda _settings: None)
    monkeypatch.setattr(deployment, "SWITCH_SECONDS", sys.getswitchinterval())
    found = Predict({"settings": {"home": str(own.home), "auth": "off"}})
    yield found
    found._replica.close()


def problems(deployed: Predict) -> dict[str, Any]:
    found: dict[str, Any] = deployed._replica.health()["problems"]
    return found


def test_a_wrong_option_stops_a_new_replica_and_only_shows_on_one_that_answers(
    deployed: Predict, runner: asyncio.Runner
) -> None:
    with pytest.raises(MisuseError, match=r"user_config .* is wrong: log_sample: .* less than or equal to 1"):
        runner.run(deployed.reconfigure({"log_sample": 2}))
    runner.run(deployed.reconfigure({"log_sample": 0.25}))
    runner.run(deployed.check_health())

    runner.run(deployed.reconfigure({"log_sampel": 1}))
    assert "log_sampel" in problems(deployed)["configuration"]
    assert deployed._replica.log_share == 0.25
    runner.run(deployed.reconfigure({}))
    assert "configuration" not in problems(deployed)
    assert deployed._replica.log_share == 1.0
