"""Verbs about users: create, list, role, password, disable, enable, unlock, logout, delete."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom.cli.console import JsonFlag, database, emit, table
from axiom.errors import MisuseError, NotFoundError

if TYPE_CHECKING:
    from axiom.db.users import User

users = typer.Typer(
    no_args_is_help=True, help="Users: create, list, role, password, disable, enable, unlock, logout, delete."
)

Name = Annotated[str, typer.Argument(help="What the user types to log in.")]
RoleOption = Annotated[str, typer.Option(help="analyst, data-engineer, ml-engineer, product-manager or administrator.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(users, name="user")


@users.command("create", epilog="Example: axiom user create ann --role administrator")
def create(name: Name, role: RoleOption, json: JsonFlag = False) -> None:
    """Make a user. The password is asked for, or read as one line from standard input; never an argument."""
    from axiom.access.logins import create_user
    from axiom.access.passwords import Passwords, check_password
    from axiom.access.permissions import check_role

    check_role(role)  # before somebody types a password in vain
    password = _new_password()
    check_password(password, names=[name])
    with database() as db, db.transaction() as tx:
        user = create_user(tx, Passwords(), name, role=role, password=password, actor=getpass.getuser())
    emit(facts(user), as_json=json, lines=[f"user {user.name} is {user.role}"])


@users.command("list", epilog="Example: axiom user list")
def list_users(json: JsonFlag = False) -> None:
    """Every user with role and state."""
    with database() as db, db.reading() as tx:
        found = [facts(user) | {"sessions": len(tx.sessions.list(user.user_id))} for user in tx.users.list()]
    rows = [
        {
            "name": user["name"],
            "role": user["role"],
            "state": "disabled" if user["disabled_at"] else "good",
            "sessions": user["sessions"],
            "created": f"{user['created_at']:%Y-%m-%d}",
        }
        for user in found
    ]
    emit({"users": found}, as_json=json, lines=table(rows))


@users.command("role", epilog="Example: axiom user role ann analyst")
def role(
    name: Name,
    role: Annotated[str, typer.Argument(help="The new role.")],
    json: JsonFlag = False,
) -> None:
    """Give a user another role; it counts from the next request on."""
    from axiom.access.permissions import check_role

    with database() as db, db.transaction() as tx:
        user = tx.users.change(name, role=check_role(role), actor=getpass.getuser())
    emit(facts(user), as_json=json, lines=[f"user {user.name} is {user.role}"])


@users.command("password", epilog="Example: axiom user password ann")
def password(name: Name, json: JsonFlag = False) -> None:
    """Give a user another password, asked for or read from standard input. Every session of the user ends."""
    from axiom.access.logins import set_password
    from axiom.access.passwords import Passwords

    with database() as db:
        with db.reading() as tx:
            tx.users.get(name)  # before somebody types a password in vain
        new = _new_password()
        with db.transaction() as tx:
            user = set_password(tx, Passwords(), name, new, actor=getpass.getuser())
    emit(facts(user), as_json=json, lines=[f"user {user.name} has another password, and no session"])


@users.command("disable", epilog="Example: axiom user disable ann")
def disable(name: Name, json: JsonFlag = False) -> None:
    """Keep a user out, at once: every session of the user ends."""
    _set_disabled(name, disabled=True, as_json=json)


@users.command("enable", epilog="Example: axiom user enable ann")
def enable(name: Name, json: JsonFlag = False) -> None:
    """Let a disabled user log in again."""
    _set_disabled(name, disabled=False, as_json=json)


@users.command("unlock", epilog="Example: axiom user unlock ann")
def unlock(name: Name, json: JsonFlag = False) -> None:
    """Forget the failed attempts to log in under a name."""
    with database() as db, db.transaction() as tx:
        user = tx.users.get(name)
        if not tx.logins.clear(user.name):
            raise NotFoundError(f"nobody failed to log in as {user.name!r} lately")
        tx.audit.record(getpass.getuser(), "user.unlock", f"user:{user.name}")
    emit(facts(user), as_json=json, lines=[f"user {user.name} may try again"])


@users.command("logout", epilog="Example: axiom user logout ann")
def logout(name: Name, json: JsonFlag = False) -> None:
    """End every session of a user."""
    with database() as db, db.transaction() as tx:
        user = tx.users.get(name)
        ended = tx.sessions.end_all(user.user_id, "logout")
        if ended:
            tx.audit.record(getpass.getuser(), "session.end", f"user:{user.name}", {"sessions": ended})
    emit(facts(user) | {"ended": ended}, as_json=json, lines=[f"{ended} sessions of {user.name} ended"])


@users.command("delete", epilog="Example: axiom user delete ann")
def delete(name: Name, json: JsonFlag = False) -> None:
    """Forget a user. The audit trail keeps the name."""
    with database() as db, db.transaction() as tx:
        tx.users.delete(name, actor=getpass.getuser())
    emit({"deleted": name}, as_json=json, lines=[f"user {name} is deleted"])


def facts(user: User) -> dict[str, Any]:
    """What may be shown of a user: everything but the hash."""
    return {name: value for name, value in vars(user).items() if name != "password_hash"}


def _set_disabled(name: str, *, disabled: bool, as_json: bool) -> None:
    from axiom.access.logins import set_disabled

    with database() as db, db.transaction() as tx:
        user = set_disabled(tx, name, disabled=disabled, actor=getpass.getuser())
    told = "may not log in, and has no session" if disabled else "may log in"
    emit(facts(user), as_json=as_json, lines=[f"user {user.name} {told}"])


def _new_password() -> str:
    if not sys.stdin.isatty():
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise MisuseError("there is no password on standard input", hint="one line, or run it in a terminal")
        return line
    first = getpass.getpass("password: ")
    if first != getpass.getpass("again:    "):
        raise MisuseError("the two passwords differ")
    return first
