"""Whatever is sent: a documented answer, never a wrong one, and the process goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from axiom.serve.asked_inside import Inside, Outcome, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from tests.api.conftest import Serving

    Documented = Callable[[httpx.Response], Any]

PATHS = ("/churn", "/clv")
paths = pytest.mark.parametrize("path", PATHS)
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def nested(depth: int, inner: str = "1") -> str:
    return "[" * depth + inner + "]" * depth


def test_an_unknown_customer_is_told_the_way_out(open_serving: Serving, documented: Documented) -> None:
    for path in PATHS:
        for reply in (
            open_serving.ask.post(path, {"customer_id": "C9999999"}),
            open_serving.ask.get(path, params={"customer_id": "C9999999"}),
        ):
            assert reply.status_code == 404
            body = documented(reply)
            assert "C9999999" in body["detail"]
            assert "2023-09-30" in body["detail"]
            assert "axiom score" in body["hint"]
    assert documented(open_serving.ask.get("/explain/C9999999"))["status"] == 404


NOT_JSON = {
    "nothing": b"",
    "half": b'{"customer_id": "C0000000"',
    "single quotes": b"{'customer_id': 'C0000000'}",
    "NaN": b'{"features": {"x": NaN}}',
    "Infinity": b'{"features": {"x": Infinity}}',
    "-Infinity": b'{"features": {"x": -Infinity}}',
    "no UTF-8": b'{"customer_id": "\xff"}',
    "lone surrogate": b'{"customer_id": "\\ud800"}',
    "a raw NUL": b'{"customer_id": "a\x00b"}',
    "two documents": b'{"customer_id": "a"}{"customer_id": "b"}',
    "a form": b"customer_id=C0000000",
    "nested 100,000 deep": nested(100_000).encode(),
    "an object nested 100,000 deep": b'{"history":' * 100_000 + b"1" + b"}" * 100_000,
}
NO_OBJECT = {"a list": b"[]", "text": b'"C0000000"', "a number": b"1", "null": b"null", "true": b"true"}


@paths
@pytest.mark.parametrize("what", [*NOT_JSON, *NO_OBJECT])
def test_a_body_that_is_no_json_object_is_400(
    open_serving: Serving, documented: Documented, path: str, what: str
) -> None:
    reply = open_serving.ask("POST", path, content=(NOT_JSON | NO_OBJECT)[what])
    if reply.status_code == 413:
        assert what == "an object nested 100,000 deep"  # which is larger than the limit as well
        return
    assert reply.status_code == 400
    assert documented(reply)["type"] == "/problems/misuse"


WRONG_VALUES: dict[str, Any] = {
    "no key": {},
    "an unknown key": {"customer": "C0000000"},
    "a known and an unknown key": {"customer_id": "C0000000", "verbose": True},
    "an id and ids": {"customer_id": "C0000000", "customer_ids": ["C0000000"]},
    "an id and features": {"customer_id": "C0000000", "features": {"x": 1}},
    "as_of with an id": {"customer_id": "C0000000", "as_of": "2023-01-01"},
    "a number for an id": {"customer_id": 1},
    "null for an id": {"customer_id": None},
    "a list for an id": {"customer_id": ["C0000000"]},
    "true for an id": {"customer_id": True},
    "an empty id": {"customer_id": ""},
    "a huge id": {"customer_id": "C" * 1025},
    "an id of 900,000 characters": {"customer_id": "C" * 900_000},
    "no ids": {"customer_ids": []},
    "text for ids": {"customer_ids": "C0000000"},
    "an object for ids": {"customer_ids": {"0": "C0000000"}},
    "a number among ids": {"customer_ids": ["C0000000", 1]},
    "null among ids": {"customer_ids": ["C0000000", None]},
    "an empty id among ids": {"customer_ids": ["C0000000", ""]},
    "a huge id among ids": {"customer_ids": ["C0000000", "C" * 1025]},
    "no features": {"features": {}},
    "a list of features": {"features": [1, 2]},
    "an unknown feature": {"features": {"shoe_size": 43}},
    "too few features": {"features": {"x": 1}},
    "no history": {"history": {}},
    "a list for history": {"history": []},
    "an unknown entity": {"history": {"refunds": [{}]}},
    "no rows": {"history": {"transactions": []}},
    "text for rows": {"history": {"transactions": "none"}},
    "numbers for rows": {"history": {"transactions": [1]}},
    "a row of nothing": {"history": {"transactions": [{}]}},
    "text for an amount": {"history": {"transactions": [{"txn_ts": "2023-01-01", "amount": "10"}]}},
    "a wrong time": {"history": {"transactions": [{"txn_ts": "yesterday", "amount": 1}]}},
    "a row of the future": {"history": {"transactions": [{"txn_ts": "2999-01-01", "amount": 1}]}},
    "an amount beyond float64": {"history": {"transactions": [{"txn_ts": "2023-01-01", "amount": 10**400}]}},
    "an unknown field": {"history": {"transactions": [{"txn_ts": "2023-01-01", "amount": 1, "tip": 1}]}},
    "as_of alone": {"as_of": "2023-01-01"},
    "a wrong as_of": {"history": {"transactions": [{"txn_ts": "2023-01-01", "amount": 1}]}, "as_of": "soon"},
    "a number for as_of": {"history": {"transactions": [{"txn_ts": "2023-01-01", "amount": 1}]}, "as_of": 1},
    "as_of before time": {
        "history": {"transactions": [{"txn_ts": "2023-01-01", "amount": 1}]}, "as_of": "0001-01-01T00:00:00+23:59",
    },
    "as_of after time": {
        "history": {"transactions": [{"txn_ts": "2023-01-01", "amount": 1}]}, "as_of": "9999-12-31T23:59:59-23:59",
    },
}  # fmt: skip


@paths
@pytest.mark.parametrize("what", WRONG_VALUES)
def test_a_wrong_key_or_value_is_422_and_named(
    open_serving: Serving, documented: Documented, path: str, what: str
) -> None:
    reply = open_serving.ask.post(path, WRONG_VALUES[what])
    assert reply.status_code in (400, 422), reply.text
    body = documented(reply)
    assert len(body["detail"]) < 500
    assert "C" * 200 not in body["detail"]


@paths
@pytest.mark.parametrize("depth", [10, 300, 900, 1000, 1020])
@pytest.mark.parametrize("place", ["features", "history", "rows", "field", "as_of", "id", "ids"])
def test_nesting_is_refused_wherever_it_stands(
    open_serving: Serving, documented: Documented, path: str, place: str, depth: int
) -> None:
    deep = nested(depth)
    sale: dict[str, Any] = {"txn_ts": "2023-01-01", "amount": 1}
    places: dict[str, Any] = {
        "features": {"features": {"x": "DEEP"}},
        "history": {"history": {"transactions": "DEEP"}},
        "rows": {"history": {"transactions": ["DEEP"]}},
        "field": {"history": {"transactions": [{**sale, "amount": "DEEP"}]}},
        "as_of": {"history": {"transactions": [sale]}, "as_of": "DEEP"},
        "id": {"customer_id": "DEEP"},
        "ids": {"customer_ids": ["DEEP"]},
    }
    reply = open_serving.ask("POST", path, content=json.dumps(places[place]).replace('"DEEP"', deep))
    assert reply.status_code in (400, 422), reply.text
    documented(reply)


async def drops(size: int) -> AsyncIterator[bytes]:
    yield b'{"customer_id": "'
    for _ in range(size // 10_000):
        yield b"C" * 10_000
    yield b'"}'


@paths
def test_ten_megabytes_are_too_large_however_they_come(
    open_serving: Serving, documented: Documented, path: str
) -> None:
    whole = b'{"customer_id": "' + b"C" * 10_000_000 + b'"}'
    for content in (whole, drops(10_000_000)):
        reply = open_serving.ask("POST", path, content=content)
        assert ("content-length" in reply.request.headers) == (content is whole)
        assert reply.status_code == 413
        assert documented(reply)["type"] == "/problems/too-large"


def test_a_body_that_says_it_is_large_is_not_read_at_all(open_serving: Serving, runner: Any) -> None:
    async def receive() -> Any:
        raise AssertionError("nobody needs to read this")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/churn", "query_string": b"",
        "headers": [(b"content-length", b"10000000")],
    }  # fmt: skip
    runner.run(open_serving.ask.app(scope, receive, send))
    assert sent[0]["status"] == 413


def test_a_length_that_lies_does_not_let_a_large_body_in(open_serving: Serving, runner: Any) -> None:
    body = b'{"customer_id": "' + b"C" * 2_000_000 + b'"}'
    outcome: Outcome = runner.run(
        ask(open_serving.ask.app, Inside("POST", "/churn", b"", ((b"content-length", b"10"),), body))
    )
    assert outcome.status == 413


@paths
def test_a_hundred_thousand_ids_are_too_many(open_serving: Serving, documented: Documented, path: str) -> None:
    short = open_serving.ask.post(path, {"customer_ids": ["C"] * 100_000})
    long = open_serving.ask.post(path, {"customer_ids": [f"C{i:07}" for i in range(100_000)]})
    one_more = open_serving.ask.post(path, {"customer_ids": ["C0000000"] * 1001})
    assert [reply.status_code for reply in (short, long, one_more)] == [413, 413, 413]
    assert "100,000" in documented(short)["detail"]
    assert open_serving.ask.post(path, {"customer_ids": ["C0000000"] * 1000}).status_code == 200


def test_a_chunked_body_is_read_to_its_end(open_serving: Serving) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for letter in b'{"customer_id": "C0000000"}':
            yield bytes([letter])

    assert open_serving.ask("POST", "/churn", content=slowly()).json() == open_serving.ask.churn("C0000000").json()


@pytest.mark.parametrize(
    "query",
    [
        "", "customer_id=", "customer_id", "customer_id=a&customer_id=b", "customer_id=a&customer_id=a",
        "customer_id=C0000000&x=1", "x=1", "customer_ids=C0000000", "customer_id[]=C0000000",
        "customer_id=" + "C" * 5000, "&".join(f"p{i}=1" for i in range(2000)),
    ],
)  # fmt: skip
def test_a_wrong_query_is_422(open_serving: Serving, documented: Documented, query: str) -> None:
    for path in PATHS:
        reply = open_serving.ask.get(f"{path}?{query}")
        assert reply.status_code == 422
        assert len(documented(reply)["detail"]) < 300


@pytest.mark.parametrize(
    "query", ["days=0", "days=367", "days=x", "days=1&days=2", "days=-1", "days=1.5", "days=9" + "9" * 5000, "limit=0",
              "limit=1001", "limit=", "days=٣", "since=1", "limit=1e2"],
)  # fmt: skip
def test_a_wrong_query_for_the_history_is_422(open_serving: Serving, documented: Documented, query: str) -> None:
    reply = open_serving.ask.get(f"/history/C0000000?{query}")
    assert reply.status_code == 422
    documented(reply)


STRANGE_IDS = [
    "a/b", "../../etc/passwd", "%2e%2e", "?x=1", "#", " ", "\t", "\n", "\x00", "a\x00b", "\x7f", "\u202e", "😀" * 30,
    "é", "e\u0301", "'; DROP TABLE scores; --", '"', "\\", "{", "null", "NaN", "true", "0", "-0", "1e9", "\ufeff",
    "C0000000 ", " C0000000", "c0000000", "C0000000\x00", "\x7f" * 512, "é" * 1024,
]  # fmt: skip


@pytest.mark.parametrize("customer", STRANGE_IDS)
def test_a_strange_id_is_nobodys_and_never_somebody_elses(
    open_serving: Serving, documented: Documented, customer: str
) -> None:
    for path in PATHS:
        reply = open_serving.ask.post(path, {"customer_id": customer})
        assert reply.status_code == 404
        documented(reply)
        found = open_serving.ask.post(path, {"customer_ids": [customer, "C0000000"]}).json()
        assert found["not_found"] == [customer]
        assert len(found["predictions"]) == 1
        assert open_serving.ask.get(path, params={"customer_id": customer}).status_code == 404


def test_an_id_with_quotes_is_found_wherever_it_stands(open_serving: Serving, quoted_customer: str) -> None:
    from urllib.parse import quote

    assert open_serving.ask.churn(quoted_customer).json()["customer_id"] == quoted_customer
    for path in ("/explain/", "/history/"):
        reply = open_serving.ask.get(path + quote(quoted_customer, safe=""))
        assert reply.json()["customer_id"] == quoted_customer


ids = st.one_of(
    st.sampled_from(["C0000000", "C0000002", *STRANGE_IDS]),
    st.text(max_size=40),
    st.just("C" * 1024),
    st.just("x" * 1025),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20),
    st.sampled_from([1e308, -1e308, 5e-324, 10**400, 2**63, "2023-01-01", "2023-01-01T00:00:00Z"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
moments = st.one_of(st.datetimes().map(lambda moment: moment.isoformat()), st.text(max_size=10), scalars)
rows = st.fixed_dictionaries(
    {"txn_ts": moments, "amount": scalars},
    optional={"transaction_id": scalars, "known_at": moments, "customer_id": scalars, "tip": values},
)
bodies = st.one_of(
    st.dictionaries(st.sampled_from(["customer_id", "customer_ids", "features", "history", "as_of", "x"]), values),
    st.fixed_dictionaries({"customer_id": ids}),
    st.fixed_dictionaries({"customer_ids": st.lists(ids | values, max_size=12)}),
    st.fixed_dictionaries({"features": st.dictionaries(st.text(max_size=10), values, max_size=5)}),
    st.fixed_dictionaries(
        {"history": st.fixed_dictionaries({}, optional={"transactions": st.lists(rows, max_size=5), "events": values})},
        optional={"as_of": moments},
    ),
)


@many
@given(path=st.sampled_from(PATHS), body=bodies)
def test_any_json_gets_a_documented_answer(
    open_serving: Serving, documented: Documented, path: str, body: dict[str, Any]
) -> None:
    sent = json.dumps(body).encode("utf-8", "surrogatepass")
    reply = open_serving.ask("POST", path, content=sent)
    assert reply.status_code < 500
    documented(reply)


@many
@given(path=st.sampled_from(PATHS), raw=st.binary(max_size=200))
@example(path="/churn", raw=b"\xef\xbb\xbf{}")
def test_any_bytes_get_a_documented_answer(
    open_serving: Serving, documented: Documented, path: str, raw: bytes
) -> None:
    reply = open_serving.ask("POST", path, content=raw)
    assert reply.status_code in (400, 422)
    documented(reply)


@many
@given(path=st.sampled_from([*PATHS, "/history/C0000000", "/explain/C0000000"]), raw=st.binary(max_size=60))
def test_any_query_gets_an_answer(open_serving: Serving, runner: Any, path: str, raw: bytes) -> None:
    outcome: Outcome = runner.run(ask(open_serving.ask.app, Inside("GET", path, raw)))
    assert outcome.status in (200, 404, 422)


@many
@given(customer=ids.filter(bool), route=st.sampled_from(["/explain/", "/history/"]))
def test_any_id_in_a_path_gets_an_answer(open_serving: Serving, runner: Any, customer: str, route: str) -> None:
    try:
        customer.encode()
    except UnicodeEncodeError:
        return  # no URL can hold it
    outcome: Outcome = runner.run(ask(open_serving.ask.app, Inside("GET", route + customer)))
    assert outcome.status in (200, 404, 422)


numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**9), 10**9))


@many
@given(data=st.data(), path=st.sampled_from(PATHS))
def test_any_finite_features_get_a_true_answer_or_a_refusal(
    open_serving: Serving, documented: Documented, path: str, data: st.DataObject
) -> None:
    line = open_serving.replica.lines.line("churn" if path == "/churn" else "clv")
    names = line.champion.posted.layout.layout.names
    texts = line.champion.posted.layout.layout.levels
    drawn = {name: data.draw(st.none() | st.text(max_size=5) if name in texts else numbers) for name in names}
    reply = open_serving.ask.post(path, {"features": drawn})
    assert reply.status_code in (200, 422), reply.text
    documented(reply)


@pytest.mark.parametrize(
    ("x", "t_x", "T"),
    [(1e7, 100.0, 100.0), (1e9, 1e3, 1e3), (101.0, 100.0, 100.0), (1e9, 1e9, 1e9), (1.2e307, 1.2e307, 1.2e307)],
)
def test_more_days_with_purchases_than_days_are_refused_before_they_cost_anything(
    open_serving: Serving, documented: Documented, x: float, t_x: float, T: float
) -> None:
    features = {"x": x, "t_x": t_x, "T": T, "mean_spend": 10.0}
    reply = open_serving.ask.post("/clv", {"features": features})
    assert reply.status_code == 422
    assert "no history" in documented(reply)["detail"]


@pytest.mark.parametrize("days", [1.0, 50.0, 73_050.0])
def test_a_purchase_every_day_is_a_history(open_serving: Serving, days: float) -> None:
    features = {"x": days, "t_x": days, "T": days, "mean_spend": 10.0}
    assert open_serving.ask.post("/clv", {"features": features}).status_code == 200


@many
@given(headers=st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key", b"x-request-id", b"content-length"]),
                                  st.binary(max_size=100)), max_size=4))  # fmt: skip
def test_any_headers_are_refused_without_a_key(
    locked_serving: Serving, runner: Any, headers: list[tuple[bytes, bytes]]
) -> None:
    request = Inside("GET", "/churn", b"customer_id=C0000000", tuple(headers))
    outcome: Outcome = runner.run(ask(locked_serving.ask.app, request))
    assert outcome.status == 401
    assert json.loads(outcome.body)["status"] == 401


def test_after_all_this_the_replica_is_well(open_serving: Serving) -> None:
    assert open_serving.ask.health()["status"] == "ok"
    open_serving.replica.check()
