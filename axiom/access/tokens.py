"""Access tokens (JWT, RFC 7519, HS256, minutes) and refresh tokens (random, one use each)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import jwt

from axiom.errors import MisuseError, UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.settings import Settings

ALGORITHM = "HS256"
ISSUER = "axiom"
AUDIENCE = "axiom-platform"
LIFETIME = timedelta(minutes=10)
_LEEWAY = timedelta(seconds=5)  # clocks of two replicas differ
_CLAIMS = ("iss", "aud", "sub", "sid", "iat", "nbf", "exp")
_LONGEST = 2048  # characters of an access token; ours have about 400
_REFRESH = "axr_"


@dataclass(frozen=True)
class Claims:
    """What an access token says: which user, in which session. The role is looked up, so that it is never stale."""

    user_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Proven:
    """An access token that was read: what it says, when it was signed, until when it is good."""

    claims: Claims
    issued_at: datetime
    expires_at: datetime


class AccessTokens:
    """Signs and reads access tokens.

    Args:
        secret: key of the signature, at least 32 bytes.
        lifetime: how long a token is good.
        clock: time of day, for signing; reading goes by the clock of the machine.
    """

    def __init__(
        self,
        secret: bytes,
        *,
        lifetime: timedelta = LIFETIME,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._secret, self._lifetime, self._clock = secret, lifetime, clock

    @classmethod
    def of(cls, settings: Settings) -> AccessTokens:
        """Tokens signed with AXIOM_SECRET_KEY.

        Raises:
            MisuseError: It is not set: there is no default that everybody would know.
        """
        if settings.secret_key is None:
            raise MisuseError("AXIOM_SECRET_KEY is not set", hint="make one: openssl rand -hex 32")
        return cls(settings.secret_key.get_secret_value().encode())

    @property
    def lifetime(self) -> timedelta:
        """How long a token is good."""
        return self._lifetime

    def sign(self, claims: Claims) -> str:
        """The text of a token."""
        now = self._clock()
        body = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": claims.user_id,
            "sid": claims.session_id,
            "iat": now,
            "nbf": now,
            "exp": now + self._lifetime,
        }
        return jwt.encode(body, self._secret, algorithm=ALGORITHM)

    def read(self, text: str | None) -> Claims:
        """What a token says; see `prove`."""
        return self.prove(text).claims

    def prove(self, text: str | None) -> Proven:
        """Check signature, algorithm, issuer, audience and times of a token.

        Raises:
            UnauthorizedError: One of them is wrong; the message says which, never the token.
        """
        if not text:
            raise UnauthorizedError("an access token is needed", hint="log in")
        if len(text) > _LONGEST or not text.isascii():
            raise UnauthorizedError("the access token is not valid: malformed", hint="log in again")
        try:
            body = jwt.decode(
                text,
                self._secret,
                algorithms=[ALGORITHM],  # never what the token itself names
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=_LEEWAY,
                options={"require": list(_CLAIMS)},
            )
        except jwt.ExpiredSignatureError:
            raise UnauthorizedError("the access token has expired", hint="refresh it") from None
        except jwt.InvalidTokenError as error:
            raise UnauthorizedError(f"the access token is not valid: {_reason(error)}", hint="log in again") from None
        if not (isinstance(body["sub"], str) and isinstance(body["sid"], str)):
            raise UnauthorizedError("the access token is not valid: wrong type of claim", hint="log in again")
        return Proven(Claims(body["sub"], body["sid"]), _moment(body["iat"]), _moment(body["exp"]))


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise UnauthorizedError("the access token is not valid: a time out of range", hint="log in again") from None


def _reason(error: jwt.InvalidTokenError) -> str:
    # The class only: the text of some errors repeats parts of the token.
    name = type(error).__name__.removesuffix("Error").removesuffix("Token").removeprefix("Invalid")
    return name.lower() or "malformed"


def new_refresh_token() -> str:
    """A fresh refresh token: 256 random bits."""
    return f"{_REFRESH}{secrets.token_urlsafe(32)}"


def refresh_digest(text: str) -> str:
    """SHA-256 of a refresh token, hexadecimal; what the database keeps."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
