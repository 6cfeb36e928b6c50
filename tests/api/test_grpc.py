"""gRPC over a real connection says what HTTP says, errors included."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from axiom import errors
from axiom.serve.predict.grpc import GrpcService
from axiom.serve.predict.proto import axiom_predict_pb2 as pb
from axiom.serve.predict.proto import axiom_predict_pb2_grpc as rpc

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from tests.api.conftest import Keys, Serving, Tokens

STATUS = {
    kind.problem_type: kind.grpc_status
    for kind in (
        errors.MisuseError, errors.BadInputError, errors.NotFoundError, errors.UnauthorizedError, errors.ForbiddenError,
        errors.TooManyError, errors.TooLargeError, errors.UnavailableError, errors.CorruptError,
    )
}  # fmt: skip
NOW = "2023-09-30T00:00:00+00:00"
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Servicer(rpc.PredictServicer):  # type: ignore[misc]
    """The generated servicer over the service, as Ray hosts it."""

    def __init__(self, service: GrpcService) -> None:
        self.Churn, self.Clv, self.Explain = service.churn, service.clv, service.explain
        self.ChurnBatch, self.ClvBatch = service.churn_batch, service.clv_batch


class Client:
    """Calls methods over a channel; gives the answer as HTTP would give it, or status and details."""

    def __init__(self, serving: Serving, runner: asyncio.Runner) -> None:
        self.serving, self.runner = serving, runner
        runner.run(self._start())

    async def _start(self) -> None:
        self.server = grpc.aio.server()
        rpc.add_PredictServicer_to_server(Servicer(GrpcService(self.serving.service)), self.server)
        port = self.server.add_insecure_port("127.0.0.1:0")
        await self.server.start()
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.stub = rpc.PredictStub(self.channel)

    def close(self) -> None:
        self.runner.run(self.channel.close())
        self.runner.run(self.server.stop(None))

    def call(self, method: str, request: Any, **metadata: str) -> Any:
        async def asked() -> Any:
            headers = [(name.replace("_", "-"), value) for name, value in metadata.items()]
            return await getattr(self.stub, method)(request, metadata=headers)

        return self.runner.run(asked())

    def outcome(self, method: str, request: Any, **metadata: str) -> Any:
        try:
            return as_http(self.call(method, request, **metadata))
        except grpc.aio.AioRpcError as error:
            return error.code().name, error.details()


@pytest.fixture(scope="module")
def client(open_serving: Serving, runner: asyncio.Runner) -> Iterator[Client]:
    found = Client(open_serving, runner)
    yield found
    found.close()


@pytest.fixture(scope="module")
def locked_client(locked_serving: Serving, runner: asyncio.Runner) -> Iterator[Client]:
    found = Client(locked_serving, runner)
    yield found
    found.close()


def plain(value: Any) -> float | str | None:
    kind = value.WhichOneof("kind")
    return getattr(value, kind) if kind else None


def optional(message: Any, name: str) -> Any:
    return getattr(message, name) if message.HasField(name) else None


def as_http(message: Any) -> dict[str, Any]:
    """A reply as the JSON of HTTP."""
    if hasattr(message, "predictions"):
        return {"predictions": list(map(as_http, message.predictions)), "not_found": list(message.not_found)}
    if hasattr(message, "contributions"):
        found = as_http(message.churn)
        for name in ("contributions", "reasons"):
            rows = [
                {field.name: getattr(one, field.name) for field in one.DESCRIPTOR.fields} | {"value": plain(one.value)}
                for one in getattr(message, name)
            ]
            found[name] = rows
        found |= {"base": message.base, "scale": message.scale, "actions": list(message.actions)}
        return found | ({"clv": as_http(message.clv)} if message.HasField("clv") else {})
    about, interval = message.about, optional(message, "interval")
    found = {
        "customer_id": optional(about, "customer_id"),
        **{name: getattr(about, name) for name in ("horizon_days", "model", "role", "as_of", "cached")},
        "interval": {name: getattr(interval, name) for name in ("p05", "p50", "p95")} if interval else None,
    }
    if hasattr(message, "p_churn"):
        return found | {name: getattr(message, name) for name in ("p_churn", "p_churn_raw", "threshold", "contact")}
    found |= {name: optional(message, name) for name in ("clv", "expected_purchases", "p_alive")}
    return found | ({"note": message.note} if message.note else {})


def over_http(serving: Serving, path: str, body: dict[str, Any], **headers: str) -> Any:
    reply = serving.ask("POST", path, content=json.dumps(body), headers=headers)
    found = reply.json()
    if reply.status_code == 200:
        return found
    kind = found["type"].removeprefix("/problems/")
    return STATUS[kind], f"{found['detail']} (hint: {found['hint']})" if "hint" in found else found["detail"]


def message_of(body: dict[str, Any]) -> Any:
    """The message that asks what a body asks."""
    if "customer_ids" in body:
        return pb.BatchRequest(customer_ids=body["customer_ids"])
    if "features" in body:
        values = {
            name: pb.Value() if value is None else pb.Value(**{"text" if isinstance(value, str) else "number": value})
            for name, value in body["features"].items()
        }
        return pb.PredictRequest(features=pb.Features(values=values))
    if "history" in body:
        return pb.PredictRequest(history=pb.History(json=json.dumps(body["history"]), as_of=body.get("as_of", "")))
    return pb.PredictRequest(customer_id=body["customer_id"])


def timeless(outcome: Any) -> Any:
    """Without the time of posted features, which is now."""
    return outcome | {"as_of": ""} if isinstance(outcome, dict) and outcome.get("customer_id", "") is None else outcome


def same(serving: Serving, client: Client, path: str, body: dict[str, Any], **headers: str) -> Any:
    """What both say, once every customer is in memory."""
    method = {"/churn": "Churn", "/clv": "Clv"}[path] + ("Batch" if "customer_ids" in body else "")
    over_http(serving, path, body, **headers)
    expected = timeless(over_http(serving, path, body, **headers))
    assert timeless(client.outcome(method, message_of(body), **headers)) == expected
    return expected


utf8 = st.text(max_size=20).filter(lambda text: text.isprintable())
ids = st.one_of(
    st.integers(0, 299).map(lambda number: f"C{number:07}"), utf8, st.sampled_from(["nobody", "", "x" * 1025, "\x00"])
)
texts = st.none() | st.text(max_size=5).filter(str.isprintable)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32)
sales = st.lists(
    st.fixed_dictionaries(
        {
            "txn_ts": st.dates(min_value=date(2023, 1, 1)).map(str) | utf8,
            "amount": st.floats(-10, 1000) | texts,
        }
    ),
    max_size=5,
)
bodies = st.one_of(
    st.fixed_dictionaries({"customer_id": ids}),
    st.fixed_dictionaries({"customer_ids": st.lists(ids, max_size=15)}),
    st.fixed_dictionaries({"features": st.dictionaries(utf8, texts | numbers, max_size=4)}),
    st.fixed_dictionaries(
        {"history": st.fixed_dictionaries({"transactions": sales}), "as_of": st.just(NOW) | utf8.filter(bool)}
    ),
)


@many
@given(path=st.sampled_from(["/churn", "/clv"]), body=bodies)
def test_any_request_gets_the_answer_of_http(
    open_serving: Serving, client: Client, path: str, body: dict[str, Any]
) -> None:
    same(open_serving, client, path, body)


@settings(parent=many, max_examples=40)
@given(path=st.sampled_from(["/churn", "/clv"]), data=st.data())
def test_posted_features_get_the_answer_of_http(
    open_serving: Serving, client: Client, path: str, data: st.DataObject
) -> None:
    layout = open_serving.replica.lines.line("churn" if path == "/churn" else "clv").champion.posted.layout.layout
    drawn = {name: data.draw(texts if name in layout.levels else numbers) for name in layout.names}
    same(open_serving, client, path, {"features": drawn})


def test_every_customer_gets_the_answer_of_http(open_serving: Serving, client: Client, customers: list[str]) -> None:
    for path in ("/churn", "/clv"):
        found = same(open_serving, client, path, {"customer_ids": [*customers, "nobody"]})
        assert (len(found["predictions"]), found["not_found"]) == (300, ["nobody"])


def test_a_customer_who_never_bought_has_a_note(open_serving: Serving, client: Client) -> None:
    body = {"history": {"events": [{"event_ts": "2023-09-01", "event_type": "login"}]}, "as_of": NOW}
    found = same(open_serving, client, "/clv", body)
    assert found["clv"] is None
    assert found["note"]


def test_explanations_are_those_of_http(
    open_serving: Serving, client: Client, customers: list[str], quoted_customer: str
) -> None:
    from urllib.parse import quote

    for name in (*customers[:15], quoted_customer):
        url = f"/explain/{quote(name, safe='')}"
        open_serving.ask.get(url)
        assert client.outcome("Explain", pb.ExplainRequest(customer_id=name)) == open_serving.ask.get(url).json()
    assert client.outcome("Explain", pb.ExplainRequest(customer_id="nobody"))[0] == "NOT_FOUND"
    assert client.outcome("Explain", pb.ExplainRequest())[0] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
@pytest.mark.parametrize("which", ["predict", "everything", "other_scope", "expired", "revoked", "mistyped", "empty"])
def test_keys_are_as_good_as_over_http(
    locked_serving: Serving, locked_client: Client, keys: Keys, header: str, which: str
) -> None:
    text = str({"mistyped": "axk_nothing", "empty": ""}.get(which) or getattr(keys, which, ""))
    sent = {header: f"Bearer {text}" if header == "authorization" else text}
    found = same(locked_serving, locked_client, "/churn", {"customer_id": "C0000000"}, **sent)
    if which in ("predict", "everything"):
        assert found["customer_id"] == "C0000000"
    else:
        assert found[0] == ("PERMISSION_DENIED" if which == "other_scope" else "UNAUTHENTICATED")


@pytest.mark.parametrize(
    "which", ["good", "expired", "forged", "unsigned", "audience", "logged_out", "disabled", "deleted"]
)
def test_access_tokens_are_as_good_as_over_http(
    locked_serving: Serving, locked_client: Client, tokens: Tokens, which: str
) -> None:
    sent = {"authorization": f"Bearer {getattr(tokens, which)}"}
    found = same(locked_serving, locked_client, "/churn", {"customer_id": "C0000000"}, **sent)
    if which == "good":
        assert found["customer_id"] == "C0000000"
    else:
        assert found[0] == "UNAUTHENTICATED"


def test_each_method_asks_for_its_scope(locked_client: Client, keys: Keys) -> None:
    asked = {
        "Churn": pb.PredictRequest(customer_id="C0000000"),
        "Clv": pb.PredictRequest(customer_id="C0000000"),
        "ChurnBatch": pb.BatchRequest(customer_ids=["C0000000"]),
        "ClvBatch": pb.BatchRequest(customer_ids=["C0000000"]),
        "Explain": pb.ExplainRequest(customer_id="C0000000"),
    }
    for method, request in asked.items():
        assert locked_client.outcome(method, request)[0] == "UNAUTHENTICATED"
        assert locked_client.outcome(method, request, x_api_key=keys.other_scope)[0] == "PERMISSION_DENIED"
        assert isinstance(locked_client.outcome(method, request, x_api_key=keys.everything), dict)
    assert locked_client.outcome("Explain", asked["Explain"], x_api_key=keys.predict)[0] == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (pb.PredictRequest(), "INVALID_ARGUMENT"),
        (pb.PredictRequest(customer_id=""), "INVALID_ARGUMENT"),
        (pb.PredictRequest(customer_id="x" * 1025), "INVALID_ARGUMENT"),
        (pb.PredictRequest(customer_id="nobody"), "NOT_FOUND"),
        (pb.PredictRequest(features=pb.Features()), "INVALID_ARGUMENT"),
        (pb.PredictRequest(features=pb.Features(values={"x": pb.Value(number=float("nan"))})), "INVALID_ARGUMENT"),
        (pb.PredictRequest(history=pb.History()), "INVALID_ARGUMENT"),
        (pb.PredictRequest(history=pb.History(json="{")), "INVALID_ARGUMENT"),
        (pb.PredictRequest(history=pb.History(json="[]")), "INVALID_ARGUMENT"),
        (pb.PredictRequest(history=pb.History(json='{}, "customer_id": "C0000000"')), "INVALID_ARGUMENT"),
        (pb.PredictRequest(history=pb.History(json='{"transactions": []}', as_of="soon")), "INVALID_ARGUMENT"),
        (pb.PredictRequest(history=pb.History(json=" " * 2_000_000)), "RESOURCE_EXHAUSTED"),
    ],
)
def test_a_wrong_message_has_its_status(client: Client, request_: Any, status: str) -> None:
    for method in ("Churn", "Clv"):
        found, details = client.outcome(method, request_)
        assert found == status
        assert details


def test_a_batch_has_the_limits_of_http(client: Client) -> None:
    assert client.outcome("ChurnBatch", pb.BatchRequest())[0] == "INVALID_ARGUMENT"
    assert client.outcome("ChurnBatch", pb.BatchRequest(customer_ids=["x"] * 1001))[0] == "RESOURCE_EXHAUSTED"
    assert len(client.outcome("ChurnBatch", pb.BatchRequest(customer_ids=["x"] * 1000))["not_found"]) == 1000


def test_the_id_of_a_call_comes_back(client: Client, runner: asyncio.Runner) -> None:
    async def trailing(*metadata: tuple[str, str], customer: str = "C0000000") -> list[str]:
        call = client.stub.Churn(pb.PredictRequest(customer_id=customer), metadata=metadata)
        found = await call.trailing_metadata()
        return [value for name, value in found if name == "x-request-id"]

    assert runner.run(trailing(("x-request-id", "mine"))) == ["mine"]
    assert runner.run(trailing(("x-request-id", "mine"), customer="nobody")) == ["mine"]
    (made,) = runner.run(trailing(("x-request-id", "x" * 129)))
    assert "x" * 10 not in made
    assert runner.run(trailing()) != runner.run(trailing())


def test_a_bug_is_internal_and_the_process_goes_on(client: Client, open_serving: Serving) -> None:
    lines = open_serving.replica.lines
    try:
        open_serving.replica.lines = None  # type: ignore[assignment]
        status, details = client.outcome("Churn", pb.PredictRequest(customer_id="C0000000"), x_request_id="mine")
    finally:
        open_serving.replica.lines = lines
    assert (status, details) == ("INTERNAL", "internal error; request id mine")
    assert client.outcome("Churn", pb.PredictRequest(customer_id="C0000000"))["model"] == "churn@2"


def test_calls_are_counted_beside_those_of_http(client: Client, open_serving: Serving) -> None:
    client.outcome("Churn", pb.PredictRequest(customer_id="C0000000"))
    text = open_serving.ask.get("/metrics").text
    assert 'route="grpc_churn",status="0"' in text
    assert "axiom_predict_in_flight 1.0" in text  # the reading itself


def test_the_generated_code_is_that_of_the_proto_file(tmp_path: Any) -> None:
    import importlib.resources
    import re
    import subprocess
    import sys
    from pathlib import Path

    root = Path(__file__).parents[2]
    recipe = re.search(r"^proto:.*\n\t.*-m (grpc_tools\.protoc .*)$", (root / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    options = recipe[1].replace("_out=.", f"_out={tmp_path}").split()
    done = subprocess.run([sys.executable, "-m", *options], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert [path.name for path in made] == [
        "axiom_predict_pb2.py",
        "axiom_predict_pb2.pyi",
        "axiom_predict_pb2_grpc.py",
    ]
    package = importlib.resources.files("axiom.serve.predict.proto")
    for path in made:
        assert path.read_bytes() == package.joinpath(path.name).read_bytes(), f"run `make proto`: {path.name} is old"
