"""Logging in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request
from pydantic import Field, SecretStr
from starlette.responses import Response

from axiom.access.logins import Grant  # noqa: TC001  (read at run time)
from axiom.access.permissions import PERMISSIONS
from axiom.errors import ForbiddenError
from axiom.serve.platform.admission import Who, With
from axiom.serve.platform.wire import Given, Shown

if TYPE_CHECKING:
    from axiom.access.origins import Origin
    from axiom.serve.platform.services import Services

router = APIRouter(tags=["auth"])


class Login(Given):
    """Who wants to log in."""

    name: str = Field(min_length=1, max_length=256)
    password: SecretStr = Field(min_length=1, max_length=1024)


class RefreshToken(Given):
    """A refresh token, good for one use."""

    refresh_token: SecretStr = Field(min_length=1, max_length=256)


class NewPassword(Given):
    """Another password of one's own."""

    current: SecretStr = Field(min_length=1, max_length=1024, description="The password until now.")
    new: SecretStr = Field(min_length=12, max_length=256, description="Ends every other session.")


class OthersEnded(Shown):
    """How many other sessions ended."""

    ended: int


class Tokens(Shown):
    """What a client gets for a password or a refresh token."""

    access_token: str = Field(description="Send it as `Authorization: Bearer`.")
    refresh_token: str = Field(description="Good for one use.")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_in: float = Field(description="Seconds until the access token expires.")
    name: str
    role: str


class Me(Shown):
    """Who is asking, and what they may do."""

    actor: str = Field(description="How the audit trail calls the caller.")
    kind: Literal["user", "key", "anonymous"]
    role: str
    permissions: list[str]


@router.post("/api/auth/login")
def login(body: Login, request: Request, known: With) -> Tokens:
    """Begin a session with a name and a password."""
    origin, client = origin_of(request, known), request.headers.get("user-agent", "")
    password = body.password.get_secret_value()
    return _tokens(known.logins.login(body.name, password, address=origin.name, shared=origin.shared, client=client))


@router.post("/api/auth/refresh")
def refresh(body: RefreshToken, known: With) -> Tokens:
    """Trade a refresh token for the next one and a new access token. One that is used twice ends the session."""
    return _tokens(known.logins.refresh(body.refresh_token.get_secret_value()))


@router.post("/api/auth/logout", status_code=204, response_class=Response)
def logout(body: RefreshToken, known: With) -> None:
    """End the session of a refresh token, at once."""
    known.logins.logout(body.refresh_token.get_secret_value())


@router.get("/api/auth/me")
def me(who: Who) -> Me:
    """Who is asking, and what they may do."""
    permissions = [name for name in PERMISSIONS if name in who.permissions]
    return Me(actor=who.actor, kind=_kind(who.kind), role=who.role, permissions=permissions)


@router.post("/api/auth/password")
def password(body: NewPassword, request: Request, who: Who, known: With) -> OthersEnded:
    """Choose another password. Every other session ends; this one goes on."""
    if who.kind != "user":
        raise ForbiddenError("only a user has a password", hint="log in, and send the access token")
    origin = origin_of(request, known)
    ended = known.logins.change_password(
        who.actor,
        body.current.get_secret_value(),
        body.new.get_secret_value(),
        session_id=who.session_id,
        address=origin.name,
        shared=origin.shared,
    )
    return OthersEnded(ended=ended)


def origin_of(request: Request, known: Services) -> Origin:
    """Where a request comes from."""
    peer = request.client.host if request.client else None
    return known.origins.of(peer, request.headers.getlist("x-forwarded-for"))


def _kind(kind: str) -> Literal["user", "key", "anonymous"]:
    return "user" if kind == "user" else "key" if kind == "key" else "anonymous"


def _tokens(grant: Grant) -> Tokens:
    return Tokens(
        access_token=grant.access,
        refresh_token=grant.refresh,
        expires_in=grant.expires_in,
        name=grant.user.name,
        role=grant.user.role,
    )
