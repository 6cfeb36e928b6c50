"""Users, their sessions, and the roles they can have."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field, SecretStr
from starlette.responses import Response

from axiom.access.logins import create_user, set_disabled, set_password
from axiom.access.permissions import MAY, PERMISSIONS, ROLES
from axiom.errors import MisuseError, NotFoundError
from axiom.serve.platform.admission import Who, With
from axiom.serve.platform.conditions import IfMatch, IfMatchOrAny
from axiom.serve.platform.once import Creating
from axiom.serve.platform.wire import Given, Listed, Name, Paged, Shown, asked, equal, listed, missing

if TYPE_CHECKING:
    from axiom.db import Transaction
    from axiom.db.users import User as Row

router = APIRouter(tags=["users"])
RoleName = Literal["analyst", "data-engineer", "ml-engineer", "product-manager", "administrator"]
Sort = Literal["name", "-name", "role", "-role", "created_at", "-created_at", "updated_at", "-updated_at"]


class User(Shown):
    """A user. The password is never shown."""

    user_id: str
    name: str
    role: str
    revision: int = Field(description="Counts the changes; the ETag.")
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None = Field(description="Null while the user may log in.")


class NewUser(Given):
    """A user to be made."""

    name: str = Field(min_length=1, max_length=128, description="Letters, digits and . _ @ + -")
    role: RoleName
    password: SecretStr = Field(min_length=12, max_length=256)


class UserChange(Given):
    """What to change; what is left out stays."""

    role: RoleName | None = None
    password: SecretStr | None = Field(None, min_length=12, max_length=256, description="Ends every session.")
    disabled: bool | None = Field(None, description="True keeps the user out, at once.")


class Session(Shown):
    """One log-in that lasts."""

    session_id: str
    client: str = Field(description="What the client said it is.")
    created_at: datetime
    expires_at: datetime


class Sessions(Shown):
    """The sessions of a user, newest first."""

    items: list[Session]


class Ended(Shown):
    """How many sessions ended."""

    ended: int


class Role(Shown):
    """A role, and what it may do."""

    name: str
    permissions: list[str]


class Roles(Shown):
    """Every role, and what each permission means."""

    items: list[Role]
    permissions: dict[str, str]


@router.get("/api/users")
def list_users(
    known: With,
    part: Paged,
    role: Annotated[RoleName | None, Query()] = None,
    disabled: Annotated[bool | None, Query()] = None,
    sort: Annotated[Sort, Query()] = "name",
) -> Listed[User]:
    """Users."""
    may_log_in = None if disabled is None else not disabled
    with known.db.reading() as tx:
        wanted = asked(part, sort, equal("role", role), missing("disabled_at", may_log_in))
        return Listed[User].model_validate(listed(tx.pages.users(wanted), User.model_validate))


@router.post("/api/users", status_code=201, response_model=User)
def create(body: NewUser, who: Who, known: With, once: Creating) -> Response:
    """Make a user."""
    password = body.password.get_secret_value()

    def make(tx: Transaction) -> User:
        row = create_user(tx, known.passwords, body.name, role=body.role, password=password, actor=who.actor)
        return User.model_validate(row)

    return once.create(
        known.db, make, headers=lambda user: {"etag": _tag(user["revision"]), "location": f"/api/users/{user['name']}"}
    )


@router.get("/api/users/{name}")
def show(name: Name, known: With, response: Response) -> User:
    """One user."""
    with known.db.reading() as tx:
        return _shown(tx.users.get(name), response)


@router.patch("/api/users/{name}")
def change(name: Name, body: UserChange, who: Who, known: With, seen: IfMatch, response: Response) -> User:
    """Change role, password, or whether the user may log in."""
    if body.role is None and body.password is None and body.disabled is None:
        raise MisuseError("nothing to change is named", hint="role, password or disabled")
    with known.db.transaction() as tx:
        row = tx.users.get(name)
        seen.check(_tag(row.revision), f"user {row.name!r}")
        # The revision that was checked is the one that is changed, whoever comes in between.
        if body.role is not None:
            row = tx.users.change(name, role=body.role, actor=who.actor, revision=row.revision)
        if body.password is not None:
            row = set_password(tx, known.passwords, name, body.password.get_secret_value(), actor=who.actor)
        if body.disabled is not None:
            row = set_disabled(tx, name, disabled=body.disabled, actor=who.actor)
    return _shown(row, response)


@router.delete("/api/users/{name}", status_code=204, response_class=Response)
def delete(name: Name, who: Who, known: With, seen: IfMatchOrAny) -> None:
    """Forget a user and the user's sessions. The audit trail keeps the name."""
    with known.db.transaction() as tx:
        row = tx.users.get(name)
        seen.check(_tag(row.revision), f"user {row.name!r}")
        tx.users.delete(name, actor=who.actor, revision=row.revision)


@router.get("/api/users/{name}/sessions")
def sessions(name: Name, known: With) -> Sessions:
    """The sessions of a user that last."""
    with known.db.reading() as tx:
        found = tx.sessions.list(tx.users.get(name).user_id)
    return Sessions(items=[Session.model_validate(one) for one in found])


@router.post("/api/users/{name}/logout")
def logout(name: Name, who: Who, known: With) -> Ended:
    """End every session of a user."""
    with known.db.transaction() as tx:
        user = tx.users.get(name)
        ended = tx.sessions.end_all(user.user_id, "logout")
        if ended:
            tx.audit.record(who.actor, "session.end", f"user:{user.name}", {"sessions": ended})
    return Ended(ended=ended)


@router.post("/api/users/{name}/unlock")
def unlock(name: Name, who: Who, known: With, response: Response) -> User:
    """Forget the failed attempts to log in under a name."""
    with known.db.transaction() as tx:
        user = tx.users.get(name)
        if not tx.logins.clear(user.name):
            raise NotFoundError(f"nobody failed to log in as {user.name!r} lately")
        tx.audit.record(who.actor, "user.unlock", f"user:{user.name}")
    return _shown(user, response)


@router.get("/api/roles")
def roles() -> Roles:
    """Every role with its permissions."""
    items = [Role(name=role, permissions=[name for name in PERMISSIONS if name in MAY[role]]) for role in ROLES]
    return Roles(items=items, permissions=dict(PERMISSIONS))


def _shown(row: Row, response: Response) -> User:
    response.headers["etag"] = _tag(row.revision)
    return User.model_validate(row)


def _tag(revision: int) -> str:
    return f'"{revision}"'
