from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from axiom.access.tokens import AccessTokens, Claims, new_refresh_token
from axiom.errors import MisuseError, UnauthorizedError
from axiom.settings import load_settings

SECRET = bytes(range(32))
CLAIMS = Claims("user-1", "session-1")


def body(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    good = {
        "iss": "axiom",
        "aud": "axiom-platform",
        "sub": "user-1",
        "sid": "session-1",
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(minutes=5),
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def as_json(claims: dict[str, Any]) -> bytes:
    return json.dumps(claims, default=lambda moment: int(moment.timestamp())).encode()


def signed(secret: bytes = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    # One level below `jwt.encode`, which refuses to write what `jwt.decode` has to refuse to read.
    return jwt.api_jws.encode(as_json(body(**changes)), secret, algorithm=algorithm)


def by_hand(header: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), as_json(body()), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_a_signed_token_says_who_in_which_session() -> None:
    tokens = AccessTokens(SECRET)
    assert tokens.read(tokens.sign(CLAIMS)) == CLAIMS
    assert tokens.read(signed()) == CLAIMS


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "somebody"},
        {"aud": "another-service"},
        {"nbf": datetime.now(UTC) + timedelta(hours=1)},
        {"iat": datetime.now(UTC) + timedelta(hours=1)},
        {"iat": "yesterday"},
        {"exp": "never"},
        {"sub": 7},
        {"sid": 7},
        *({name: ...} for name in ("iss", "aud", "sub", "sid", "iat", "nbf", "exp")),
    ],
    ids=lambda changes: "-".join(f"{name}-{value!s:.8}" for name, value in changes.items()),
)
def test_a_claim_that_is_wrong_or_missing_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UnauthorizedError, match="not valid"):
        AccessTokens(SECRET).read(signed(**changes))


def test_an_expired_token_is_said_to_be_so() -> None:
    past = AccessTokens(SECRET, clock=lambda: datetime.now(UTC) - timedelta(minutes=11))
    with pytest.raises(UnauthorizedError, match=r"has expired \(refresh it\)"):
        AccessTokens(SECRET).read(past.sign(CLAIMS))


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("signature", [b"", b"x"])
def test_a_token_that_asks_for_no_signature_is_refused(name: str, signature: bytes) -> None:
    with pytest.raises(UnauthorizedError, match="not valid"):
        AccessTokens(SECRET).read(by_hand({"alg": name, "typ": "JWT"}, signature))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_is_refused_even_with_the_right_secret(algorithm: str) -> None:
    long = SECRET * 2
    with pytest.raises(UnauthorizedError, match="not valid"):
        AccessTokens(long).read(signed(long, algorithm))


def test_another_secret_is_refused() -> None:
    with pytest.raises(UnauthorizedError, match="not valid: signature"):
        AccessTokens(SECRET).read(signed(bytes(reversed(SECRET))))


@pytest.mark.parametrize("text", [None, ""])
def test_no_token_is_told_to_log_in(text: str | None) -> None:
    with pytest.raises(UnauthorizedError, match="access token is needed"):
        AccessTokens(SECRET).read(text)


@pytest.mark.parametrize("text", ["hunter2", "a.b.c", "..", "\ud800.\ud800.x", "é.é.é", "a" * 3000, "[].[].[]"])
def test_what_is_no_token_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UnauthorizedError, match="not valid") as refused:
        AccessTokens(SECRET).read(text)
    assert text not in str(refused.value)


def test_a_token_whose_body_was_changed_is_refused() -> None:
    head, _, mark = signed().split(".")
    other = signed(sub="administrator").split(".")[1]
    with pytest.raises(UnauthorizedError, match="not valid"):
        AccessTokens(SECRET).read(f"{head}.{other}.{mark}")


def test_without_a_secret_of_its_own_an_installation_signs_nothing() -> None:
    with pytest.raises(MisuseError, match="AXIOM_SECRET_KEY is not set"):
        AccessTokens.of(load_settings())


@pytest.mark.parametrize("secret", ["changeme", "x" * 64, "abc" * 20, "0123456789" * 3])
def test_a_secret_that_is_short_or_repeats_itself_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(MisuseError, match=r"AXIOM_SECRET_KEY=\*\*\*: at least 32 random bytes") as refused:
        load_settings(secret_key=secret)
    assert secret not in str(refused.value)


def test_a_secret_is_taken_from_the_settings_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "3f1c" + "9b27d05e8a" * 6
    monkeypatch.setenv("AXIOM_SECRET_KEY", secret)
    settings = load_settings()
    tokens = AccessTokens.of(settings)
    assert tokens.read(tokens.sign(CLAIMS)) == CLAIMS
    assert secret not in repr(settings) + str(settings.model_dump())


def test_refresh_tokens_are_never_alike() -> None:
    assert len({new_refresh_token() for _ in range(100)}) == 100
