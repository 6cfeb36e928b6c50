from __future__ import annotations

import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from axiom.access.permissions import PERMISSIONS
from axiom.pipelines.workspace import create
from axiom.serve.platform.permits import PERMITS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third-party imports warn about their own futures
    import schemathesis
    from openapi_spec_validator import OpenAPIV31SpecValidator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.platform.conftest import Client

EXAMPLES = 3  # of each kind, valid and invalid, an operation


@pytest.fixture
def document(local: Client) -> dict[str, Any]:
    found: dict[str, Any] = local.get("/api/openapi.json").json()
    return found


def test_the_document_is_openapi_and_names_every_route_with_what_it_needs(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()
    told = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not path.startswith("/api/predict/")
    }
    assert set(told) == {route.replace(":path}", "}") for route in PERMITS}
    for route, needed in PERMITS.items():
        operation = told[route.replace(":path}", "}")]
        assert operation.get("x-permission", needed) == needed
        assert operation["summary"]
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


def test_the_document_holds_the_contract_of_predict_too(document: dict[str, Any]) -> None:
    assert document["paths"]["/api/predict/churn"]["post"]["operationId"] == "predict.churn_post"
    assert "ChurnPrediction" in document["components"]["schemas"]


def operations(client: Client) -> Any:
    """What schemathesis makes of the document, without the routes of predict; the credential is ours."""
    document = client.get("/api/openapi.json").json()
    paths = {
        path: {method: {**operation, "security": []} for method, operation in methods.items()}
        for path, methods in document["paths"].items()
        if not path.startswith("/api/predict/")
    }
    schema = schemathesis.openapi.from_dict({**document, "paths": paths})
    schema.app = client.http._transport.app  # type: ignore[attr-defined]
    return [found.ok() for found in schema.get_all_operations()]


@pytest.fixture
def both(tmp_path: Path, empty_postgres_url: str, serving: Any, settings_for: Any) -> Iterator[dict[str, Client]]:
    """Two platforms over empty workspaces, asked with keys that may do everything: on SQLite and on PostgreSQL."""
    with ExitStack() as opened:
        found = {}
        for name, url in (("sqlite", None), ("postgresql", empty_postgres_url)):
            made = settings_for(tmp_path / name, database_url=url)
            create(made)
            found[name] = opened.enter_context(serving(made)).with_key(*PERMISSIONS)
        yield found


def test_no_request_that_the_document_allows_or_forbids_meets_a_bug(both: dict[str, Client]) -> None:
    wrong: list[str] = []

    def check(operation: Any, mode: Any) -> None:
        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            if case.path.startswith("/api/events"):
                case.query = {**(case.query or {}), "follow": "false"}
            # To make a case up takes longer than to answer it, so both databases get the same ones.
            for name, client in both.items():
                if problem := judged(operation, case, client):
                    wrong.append(f"{name}: {problem}")

        ask()

    for operation in operations(both["sqlite"]):
        check(operation, schemathesis.GenerationMode.POSITIVE)
        if operation.body or operation.query or operation.path_parameters:
            check(operation, schemathesis.GenerationMode.NEGATIVE)
    assert wrong == []


def judged(operation: Any, case: Any, client: Client) -> str:
    """What is wrong with the answer to a case; "" for nothing."""
    app = client.http._transport.app  # type: ignore[attr-defined]
    reply = case.call(headers={"authorization": f"Bearer {client.credential}"}, app=app)
    told = f"{case.method} {case.formatted_path}: {reply.status_code} {reply.text[:300]}"
    if reply.status_code == 500 or str(reply.status_code) not in operation.definition.raw["responses"]:
        return told
    try:
        case.validate_response(reply, checks=SHAPES)
    except AssertionError as error:
        return f"{told}\n{error}"
    except BaseExceptionGroup as errors:
        return f"{told}\n{errors.exceptions}"
    return ""


def shapes() -> list[Any]:
    schemathesis.checks.load_all_checks()
    names = ("response_schema_conformance", "content_type_conformance")
    return [schemathesis.checks.CHECKS.get_one(name) for name in names]


SHAPES = shapes()
