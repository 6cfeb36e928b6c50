"""The load generator sends what it says, counts every request, and charges a service that stalls."""

from __future__ import annotations

import json
import math
import socket
from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from axiom.cli.app import app
from axiom.errors import MisuseError, QualityError, UnavailableError
from axiom.serve.loadtest import LoadPlan, LoadReport, Spread, parse_expectation, run_load, unmet

if TYPE_CHECKING:
    from pathlib import Path

QUICK = {"seconds": 0.3, "warm_up": 0.1, "connections": 4}


def test_every_request_that_was_due_is_sent_and_counted(server: Any) -> None:
    ids = [f"C{number}" for number in range(10)]
    report = run_load(LoadPlan(f"{server.url}/ok", rate=200, ids=ids, key="axk_1_2", **QUICK))
    assert report.requests == pytest.approx(60, abs=1)
    assert report.statuses == {"200": report.requests}
    assert (report.errors, report.mode, report.offered_rate) == (0, "open", 200)
    assert len(server.bodies) == pytest.approx(80, abs=1)  # the warm-up was sent, not counted
    sent = Counter(json.loads(body)["customer_id"] for body in server.bodies)
    assert set(sent) == set(ids)
    assert max(sent.values()) - min(sent.values()) <= 1
    assert all("authorization: Bearer axk_1_2\r\n" in head for head in server.headers)
    assert report.latency_ms.p50 >= report.uncorrected_ms.p50 > 0


def test_a_service_that_stalls_is_charged_for_everybody_who_would_have_asked_meanwhile(server: Any) -> None:
    plan = LoadPlan(f"{server.url}/stall", rate=100, seconds=1.0, warm_up=0.0, connections=1)
    report = run_load(plan)
    # Half a second of one: one answer in a hundred was slow once it was asked for, half of them when they were due.
    assert report.uncorrected_ms.max > 400
    assert report.latency_ms.p90 > 200
    assert report.uncorrected_ms.p90 < report.latency_ms.p90 / 2
    assert report.requests == 100


def test_a_closed_loop_waits_for_each_answer_and_cannot_see_the_stall(server: Any) -> None:
    report = run_load(LoadPlan(f"{server.url}/stall", seconds=1.0, warm_up=0.0, connections=1))
    assert report.mode == "closed"
    assert report.latency_ms == report.uncorrected_ms
    assert report.latency_ms.max > 400
    assert report.latency_ms.p90 < 200
    assert report.requests == len(server.bodies)


def test_get_puts_the_id_into_the_query_whatever_is_in_it(server: Any) -> None:
    run_load(LoadPlan(f"{server.url}/ok?v=1", rate=100, method="GET", ids=["ä b&c/d=?#\r\n"], **QUICK))
    assert set(server.targets) == {"/ok?v=1&customer_id=%C3%A4%20b%26c%2Fd%3D%3F%23%0D%0A"}


def test_get_puts_the_id_into_the_path_where_the_url_has_a_place_for_it(server: Any) -> None:
    run_load(LoadPlan(f"{server.url}/ok/{{id}}?v=1", rate=100, method="GET", ids=["ä/b"], **QUICK))
    assert set(server.targets) == {"/ok/%C3%A4%2Fb?v=1"}


def test_a_batch_holds_so_many_ids_even_where_there_are_fewer(server: Any) -> None:
    run_load(LoadPlan(f"{server.url}/ok", rate=50, batch=3, ids=["a", "b", "c", "d"], **QUICK))
    run_load(LoadPlan(f"{server.url}/ok", rate=50, batch=3, ids=["a"], **QUICK))
    assert {len(json.loads(body)["customer_ids"]) for body in server.bodies} == {3}


def test_a_request_larger_than_the_socket_takes_at_once_arrives_whole(server: Any) -> None:
    ids = [f"{number:04d}" * 1000 for number in range(1000)]
    report = run_load(LoadPlan(f"{server.url}/ok", rate=10, batch=1000, ids=ids, **QUICK))
    assert report.errors == 0
    assert {len(json.loads(body)["customer_ids"]) for body in server.bodies} == {1000}


def test_without_ids_the_url_is_asked_for_as_it_stands(server: Any) -> None:
    run_load(LoadPlan(f"{server.url}/ok?a=b", rate=50, method="GET", **QUICK))
    assert set(server.targets) == {"/ok?a=b"}


@pytest.mark.parametrize("path", ["/chunked", "/bye"])
@pytest.mark.parametrize("rate", [None, 100])
def test_answers_in_chunks_and_connections_closed_after_each_answer_are_no_errors(
    server: Any, path: str, rate: float | None
) -> None:
    report = run_load(LoadPlan(f"{server.url}{path}", rate=rate, **QUICK))
    assert report.errors == 0
    assert report.requests > 10


@pytest.mark.parametrize(
    ("path", "what", "example"),
    [
        ("/busy", "429", "not so quick"),
        ("/drop", "closed", ""),
        ("/garbage", "malformed", ""),
        ("/hang", "timeout", ""),
    ],
)
@pytest.mark.parametrize("rate", [None, 40])
def test_errors_are_counted_by_what_they_are(
    server: Any, path: str, what: str, example: str, rate: float | None
) -> None:
    timeout = 0.2 if what == "timeout" else 10.0  # a busy machine may be late; only silence is a time-out
    report = run_load(LoadPlan(f"{server.url}{path}", rate=rate, timeout=timeout, **QUICK))
    assert report.errors == report.requests == report.statuses[what] > 0
    assert report.error_examples == {what: example}


def test_a_service_that_goes_away_meanwhile_fails_the_requests_and_not_the_generator() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        plan = LoadPlan(f"http://127.0.0.1:{listening.getsockname()[1]}/", rate=50, timeout=0.3, **QUICK)
        now = iter(range(10**9))

        def clock() -> float:
            tick = next(now)
            if tick == 20:
                listening.close()
            return tick / 2000

        report = run_load(plan, clock=clock)
    assert report.errors == report.requests == pytest.approx(15, abs=1)


def test_nobody_there_is_told_before_anything_is_measured() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(UnavailableError, match=str(port)):
        run_load(LoadPlan(f"http://127.0.0.1:{port}/ok"))
    with pytest.raises(UnavailableError, match=r"nowhere\.invalid"):
        run_load(LoadPlan("http://nowhere.invalid/ok"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://h/x"},
        {"url": "h:8000"},
        {"url": "http:///x"},
        {"url": "http://h:99999/x"},
        {"rate": 0},
        {"rate": -1},
        {"rate": math.nan},
        {"rate": math.inf},
        {"seconds": 0},
        {"warm_up": -1},
        {"connections": 0},
        {"connections": 10**6},
        {"batch": 0},
        {"batch": 2},
        {"batch": 2, "ids": ["a"], "method": "GET"},
        {"timeout": 0},
        {"key": "a\r\nx: y"},
    ],
)
def test_plans_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MisuseError):
        LoadPlan(**{"url": "http://h/x", **wrong})


def test_arrivals_are_even_or_poisson_of_the_same_rate() -> None:
    plan = LoadPlan("http://h/x", rate=100.0)
    assert list(islice(plan.offsets(), 3)) == [0.0, 0.01, 0.02]
    times = list(islice(replace(plan, arrivals="poisson").offsets(), 20_000))
    gaps = [after - before for before, after in zip([0.0, *times], times, strict=False)]
    mean = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(0.01, rel=0.03)
    assert spread == pytest.approx(0.01, rel=0.05)  # exponential: as wide as its mean
    assert times[:5] == list(islice(replace(plan, arrivals="poisson").offsets(), 5))


def test_percentiles_are_exact_by_nearest_rank() -> None:
    spread = Spread.of([float(number) for number in range(1000, 0, -1)])
    assert spread == Spread(500.5e3, 500e3, 900e3, 950e3, 990e3, 999e3, 1000e3)
    assert Spread.of([0.002]) == Spread(*[2.0] * 7)
    assert math.isnan(Spread.of([]).p50)


def report_of(**changed: Any) -> LoadReport:
    times = Spread(1.0, 1.0, 2.0, 3.9, 10.0, 20.0, 30.0)
    plain = LoadReport("http://h/", "open", 100.0, 1.0, 4, 1, 100, 99.0, {"200": 100}, 0, {}, times, times, 0.1, times)
    return replace(plain, **changed)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("p95<4ms", True),
        ("p95<3.9", False),
        ("p95<=3.9", True),
        ("p99 < 0.015 s", True),
        ("p99.9<20000us", False),
        ("max>29", True),
        ("errors=0", True),
        ("errors == 1", False),
        ("error_rate<1%", True),
        ("rate>=99", True),
        ("rate>99", False),
        ("requests=100", True),
    ],
)
def test_expectations_are_read_and_compared(text: str, met: bool) -> None:
    assert (unmet(report_of(), [parse_expectation(text)]) == []) == met


@pytest.mark.parametrize(
    "text",
    ["", "p95", "p95<", "p42<4", "p95<4m", "p95<4 5", "errors<1ms", "rate>5%", "<4", "p95<1.2.3", "p95<.", "p95!4"],
)
def test_expectations_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(MisuseError, match="cannot be read"):
        parse_expectation(text)


def test_errors_fail_an_expectation_of_speed_unless_it_speaks_of_them() -> None:
    report = report_of(errors=3)
    assert unmet(report, [parse_expectation("p95<4ms")]) == ["errors=0: it is 3"]
    assert unmet(report, [parse_expectation("p95<4ms"), parse_expectation("error_rate<5%")]) == []
    assert unmet(report, []) == []


def test_nothing_measured_meets_no_expectation() -> None:
    nothing = report_of(latency_ms=Spread.of([]), requests=0)
    assert unmet(nothing, [parse_expectation("p95<4ms")]) != []


def test_a_generator_that_is_the_bottleneck_says_so() -> None:
    assert report_of().suspect
    calm = Spread(*[0.1] * 7)
    assert report_of(generator_lag_ms=calm).suspect == ""
    assert "bottleneck" in report_of(generator_lag_ms=calm, generator_cpu=0.99).suspect


def test_the_verb_answers_in_json_and_fails_where_an_expectation_does(server: Any, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text("C1\nC2\n\n")
    call = ["loadtest", f"{server.url}/ok", "--rate", "50", "--seconds", "0.3", "--warm-up", "0", "--ids", str(ids)]
    done = CliRunner().invoke(app, [*call, "--json", "--expect", "p50<60s"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["statuses"] == {"200": 15}
    failed = CliRunner().invoke(app, [*call, "--expect", "p50<0us"])
    assert isinstance(failed.exception, QualityError)
    assert "p50<0us" in str(failed.exception)
    assert "corrected" in failed.stdout
    missing = CliRunner().invoke(app, [*call[:-1], str(tmp_path / "no.txt")])
    assert "one customer id a line" in str(missing.exception)
