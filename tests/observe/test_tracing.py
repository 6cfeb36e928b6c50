"""Traces: what is told to a collector, and what is not."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from axiom.errors import MisuseError
from axiom.settings import load_settings
from axiom.telemetry import configure_logging, get_logger
from axiom.tracing import OFF, open_tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from axiom.settings import Settings

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
NOT_SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_a_request_becomes_a_span_with_what_it_did_below_it(
    own: Settings, asking: Callable[..., Any], collector: Any
) -> None:
    with asking(own.model_copy(update={"traces": collector.url, "traces_share": 1.0})) as ask:
        answered = ask("GET", "/churn?customer_id=C0000002", headers={"x-request-id": "r-1"})
        assert answered.status_code == 200
    spans = {span.name: span for span in collector.spans()}
    assert set(spans) == {"churn", "limit", "features", "score"}
    root = spans["churn"]
    assert attributes(root) == {"http.response.status_code": 200, "axiom.request_id": "r-1"}
    assert {spans[name].parent_span_id for name in ("limit", "features", "score")} == {root.span_id}
    assert len({span.trace_id for span in spans.values()}) == 1
    assert attributes(spans["score"]) == {"axiom.model": answered.json()["model"]}
    assert attributes(spans["features"]) == {"axiom.cached": False}
    assert all(root.start_time_unix_nano <= span.start_time_unix_nano for span in spans.values())


def test_a_request_goes_on_with_the_trace_of_its_caller(
    own: Settings, asking: Callable[..., Any], collector: Any
) -> None:
    with asking(own.model_copy(update={"traces": collector.url, "traces_share": 0.0})) as ask:
        ask("GET", "/churn?customer_id=C0000002", headers=SAMPLED)
    (root,) = [span for span in collector.spans() if span.name == "churn"]
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)


def test_what_the_caller_does_not_sample_is_not_sampled_here_either(
    own: Settings, asking: Callable[..., Any], collector: Any
) -> None:
    with asking(own.model_copy(update={"traces": collector.url, "traces_share": 1.0})) as ask:
        assert ask("GET", "/churn?customer_id=C0000002", headers=NOT_SAMPLED).status_code == 200
    assert collector.spans() == []


def test_a_batch_an_explanation_and_a_refusal_are_traced_too(
    own: Settings, asking: Callable[..., Any], collector: Any
) -> None:
    with asking(own.model_copy(update={"traces": collector.url, "traces_share": 1.0})) as ask:
        ask("POST", "/clv", json={"customer_ids": ["C0000002", "C0000003", "nobody"]})
        ask("GET", "/explain/C0000002")
        assert ask("GET", "/churn?customer_id=nobody").status_code == 404
    spans = collector.spans()
    (batch,) = [span for span in spans if span.name == "clv"]
    below = {span.name: attributes(span) for span in spans if span.parent_span_id == batch.span_id}
    assert below["features"] == {"axiom.customers": 3, "axiom.missing": 0}
    assert below["score"]["axiom.customers"] == 2
    assert "explain" in {span.name for span in spans}
    (refused,) = [span for span in spans if span.name == "churn"]
    assert attributes(refused)["http.response.status_code"] == 404


def test_a_malformed_trace_of_a_caller_is_ignored(own: Settings, asking: Callable[..., Any], collector: Any) -> None:
    with asking(own.model_copy(update={"traces": collector.url, "traces_share": 1.0})) as ask:
        for text in ("", "00-zz-zz-01", "nonsense" * 100, f"00-{'0' * 32}-{PARENT}-01"):
            assert ask("GET", "/churn?customer_id=C0000002", headers={"traceparent": text}).status_code == 200
    roots = [span for span in collector.spans() if span.name == "churn"]
    assert len(roots) == 4
    assert all(not span.parent_span_id for span in roots)


def test_a_collector_that_is_away_fails_no_request(own: Settings, asking: Callable[..., Any]) -> None:
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it says so in the log, as it should
    with asking(own.model_copy(update={"traces": "http://127.0.0.1:9", "traces_share": 1.0})) as ask:
        assert ask("GET", "/churn?customer_id=C0000002").status_code == 200
    logging.getLogger("opentelemetry").setLevel(logging.NOTSET)


def test_traces_are_off_by_default_and_cost_one_shared_object() -> None:
    tracing = open_tracing(load_settings(), "predict")
    assert tracing is OFF
    assert tracing.span("a") is tracing.span("b") is tracing.request("c", [])
    with tracing.span("a") as span:
        span.note("axiom.cached", value=True)
    tracing.close()


def test_an_exception_passes_through_a_span_that_is_off() -> None:
    with pytest.raises(KeyError), OFF.span("a"):
        raise KeyError


@pytest.mark.parametrize(
    "wrong", [{"traces": "localhost:4318"}, {"traces": "grpc://host:4317"}, {"traces_share": 1.5}, {"traces_share": -1}]
)
def test_what_is_no_address_or_no_share_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MisuseError, match="AXIOM_TRACES"):
        load_settings(**wrong)


@pytest.fixture
def json_logs() -> Iterator[None]:
    """Logs of this process as JSON on stderr."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    configure_logging(load_settings(log_format="json"))
    yield
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.mark.usefixtures("json_logs")
def test_a_log_line_within_a_request_carries_its_id(
    own: Settings, asking: Callable[..., Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from axiom.serve.predict import service

    def fail(*_args: object, **_more: object) -> None:
        get_logger("axiom.test").info("about_to_fail")
        raise RuntimeError("boom")

    with asking(own) as ask:
        monkeypatch.setattr(service, "reply_of", fail)
        assert ask("GET", "/churn?customer_id=C0000002", headers={"x-request-id": "r-77"}).status_code == 500
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = {line["event"]: line["request_id"] for line in lines if "request_id" in line}
    assert told["about_to_fail"] == told["request_failed"] == "r-77"
