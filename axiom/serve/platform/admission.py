"""Who may come in: one dependency for every route, one table that says what each route needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from axiom.access.permissions import MAY, PERMISSIONS, require
from axiom.errors import ForbiddenError, TooManyError, UnauthorizedError
from axiom.serve.platform.permits import ANYBODY, PASSED_ON, PERMITS, SIGNED_IN
from axiom.serve.platform.services import Services

if TYPE_CHECKING:
    from axiom.access.permissions import Role

_KEY = "axk_"


@dataclass(frozen=True)
class Caller:
    """Who is asking.

    Attributes:
        actor: how the audit trail calls them: a user's name, or `key:<id>`.
        kind: `user`, `key` or `anonymous`.
        role: of a user; `anonymous` for everybody else.
        permissions: what they may do.
        session_id: of a user.
    """

    actor: str
    kind: str
    role: Role
    permissions: frozenset[str]
    session_id: str = ""


NOBODY = Caller("anonymous", "anonymous", "anonymous", MAY["anonymous"])


def services(request: Request) -> Services:
    """What the application works with."""
    found: Services = request.app.state.services
    return found


async def admitted(request: Request) -> Caller:
    """The caller, who may do what the route needs.

    Raises:
        UnauthorizedError: No credential where one is needed, or one that is no good.
        ForbiddenError: The caller may not do this.
        TooManyError: The caller asks more often than agreed.
        UnavailableError: The credential cannot be checked.
    """
    needed = PERMITS[f"{request.method} {request.scope['route'].path}"]
    if needed in {ANYBODY, PASSED_ON}:
        return NOBODY
    caller, rate, burst = await _caller(request, needed)
    request.scope["axiom.who"] = caller.actor
    await _charge(services(request), caller, rate, burst)
    return caller


async def _caller(request: Request, needed: str) -> tuple[Caller, float, float]:
    known, text = services(request), credential(request)
    if text is None:
        if needed in NOBODY.permissions or _is_open(known, needed):
            return NOBODY, inf, inf
        raise UnauthorizedError(
            "a credential is needed", hint="send `Authorization: Bearer` with an access token or an API key"
        )
    if text.startswith(_KEY):
        return _key(known, text, needed)
    who = await asyncio.to_thread(known.logins.who, text)
    request.scope["axiom.who"] = who.name  # for the log, should this be refused
    if needed != SIGNED_IN:
        require(who.role, needed)
    caller = Caller(who.name, "user", who.role, MAY[who.role], who.session_id)
    return caller, known.settings.rate_limit, known.settings.rate_burst


def _key(known: Services, text: str, needed: str) -> tuple[Caller, float, float]:
    if needed == SIGNED_IN:
        scope = next((one for one in PERMISSIONS if _good_for(known, text, one)), "predict")
        held = known.keys.check(text, scope)
    else:
        held = known.keys.check(text, needed)
    return Caller(f"key:{held.key_id}", "key", "anonymous", held.scopes), held.rate, held.burst


def _is_open(known: Services, needed: str) -> bool:
    """Whether AXIOM_AUTH=off lets everybody do this."""
    try:
        return known.open_door is not None and bool(known.open_door.check(None, needed))
    except ForbiddenError:
        return False


def _good_for(known: Services, text: str, scope: str) -> bool:
    try:
        known.keys.check(text, scope)
    except ForbiddenError:
        return False
    return True


async def _charge(known: Services, caller: Caller, rate: float, burst: float) -> None:
    if known.settings.redis_url is None:
        wait = known.limiter.allow(f"platform:{caller.actor}", rate, burst)
    else:
        wait = await asyncio.to_thread(known.limiter.allow, f"platform:{caller.actor}", rate, burst)
    if wait > 0:
        raise TooManyError(
            f"{caller.actor} asks more often than {rate:g} times a second",
            hint="wait as long as Retry-After says",
            retry_after=wait,
        )


def credential(request: Request) -> str | None:
    """The API key or access token that a request carries."""
    key = request.headers.get("x-api-key")
    if key is not None:
        return key.strip() or None
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() or None if scheme.lower() == "bearer" else None


Who = Annotated[Caller, Depends(admitted)]
With = Annotated[Services, Depends(services)]
