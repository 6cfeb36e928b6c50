from __future__ import annotations

import pickle

import pytest

from axiom.errors import AxiomError, ForbiddenError, TooLargeError, TooManyError, UnauthorizedError


@pytest.mark.parametrize(
    ("kind", "http", "grpc"),
    [
        (UnauthorizedError, 401, "UNAUTHENTICATED"),
        (ForbiddenError, 403, "PERMISSION_DENIED"),
        (TooManyError, 429, "RESOURCE_EXHAUSTED"),
        (TooLargeError, 413, "RESOURCE_EXHAUSTED"),
    ],
)
def test_a_refusal_owns_its_statuses_and_survives_the_trip_between_processes(
    kind: type[AxiomError], http: int, grpc: str
) -> None:
    sent = kind("key 'web' may not", hint="ask for the scope")
    arrived = pickle.loads(pickle.dumps(sent))
    assert (type(arrived), arrived.message, arrived.hint) == (kind, sent.message, sent.hint)
    assert (arrived.http_status, arrived.grpc_status) == (http, grpc)


def test_how_long_to_wait_survives_the_trip_too() -> None:
    arrived = pickle.loads(pickle.dumps(TooManyError("too many requests", hint="slow down", retry_after=1.25)))
    assert (arrived.retry_after, str(arrived)) == (1.25, "too many requests (slow down)")
