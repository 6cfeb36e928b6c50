from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from axiom.access.permissions import PERMISSIONS
from axiom.serve.platform.permits import PERMITS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # third-party imports warn about their own futures
    import schemathesis
    from openapi_spec_validator import OpenAPIV31SpecValidator

if TYPE_CHECKING:
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


def test_no_request_that_the_document_allows_or_forbids_meets_a_bug(local: Client) -> None:
    key = local.with_key(*PERMISSIONS).credential
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
            reply = case.call(headers={"authorization": f"Bearer {key}"})
            told = f"{case.method} {case.formatted_path}: {reply.status_code} {reply.text[:300]}"
            if reply.status_code == 500 or str(reply.status_code) not in operation.definition.raw["responses"]:
                wrong.append(told)
                return
            try:
                case.validate_response(reply, checks=SHAPES)
            except AssertionError as error:
                wrong.append(f"{told}\n{error}")
            except BaseExceptionGroup as errors:
                wrong.append(f"{told}\n{errors.exceptions}")

        ask()

    for operation in operations(local):
        check(operation, schemathesis.GenerationMode.POSITIVE)
        if operation.body or operation.query or operation.path_parameters:
            check(operation, schemathesis.GenerationMode.NEGATIVE)
    assert wrong == []


def shapes() -> list[Any]:
    schemathesis.checks.load_all_checks()
    names = ("response_schema_conformance", "content_type_conformance")
    return [schemathesis.checks.CHECKS.get_one(name) for name in names]


SHAPES = shapes()
