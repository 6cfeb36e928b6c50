"""What may be done here, and which role may do it: one table, read by keys, users, routes and docs/security.md."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

from axiom.errors import ForbiddenError, MisuseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Role = Literal["anonymous", "analyst", "data-engineer", "ml-engineer", "product-manager", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)

# A analyst, D data engineer, M ML engineer, P product manager, * everybody, anonymous visitors too.
# An administrator may do everything.
_TABLE: tuple[tuple[str, str, str], ...] = (
    ("home.read", "*", "see the home page with its demo statistics"),
    ("predict", "A D M P", "ask for churn and CLV predictions, one or many"),
    ("explain", "A D M P", "ask why: contributions, reasons, actions"),
    ("cache", "D M", "sync and clear the online store and the replicas' caches"),
    ("metrics", "D M", "read the metrics of the service"),
    ("dashboard.read", "A D M P", "see the dashboard, its summary and time lines"),
    ("customers.read", "A D M P", "see customers and their scores"),
    ("sources.read", "A D M", "see data sources, their schema and ingests"),
    ("sources.write", "D", "register, change, test and delete data sources"),
    ("features.read", "A D M", "see feature sets"),
    ("features.write", "D M", "change feature sets"),
    ("models.read", "A D M P", "see models, versions, evaluations; download artefacts"),
    ("models.write", "M", "promote and roll back models, set canary and shadow"),
    ("jobs.read", "A D M", "see jobs and their logs"),
    ("jobs.run", "D M", "start, cancel and retry jobs"),
    ("pipelines.read", "A D M", "see pipelines and their runs"),
    ("pipelines.run", "D M", "start, resume and cancel pipelines"),
    ("monitoring.read", "A D M P", "see drift, health and alerts"),
    ("monitoring.write", "D M", "change thresholds; mute and resolve alerts"),
    ("segments.read", "A D M P", "see segments"),
    ("segments.write", "A P", "save, change, delete and export segments"),
    ("experiments.read", "A D M P", "see experiments and their results"),
    ("experiments.write", "P", "create, start and stop experiments"),
    ("campaigns.read", "A D M P", "see campaigns and policy simulations"),
    ("campaigns.write", "P", "create and run campaigns"),
    ("users.read", "", "see users and their roles"),
    ("users.write", "", "create, change, lock and delete users"),
    ("keys.read", "", "see API keys"),
    ("keys.write", "", "create, rotate and revoke API keys"),
    ("audit.read", "", "read and verify the audit trail"),
)
_LETTERS: Mapping[str, Role] = {"A": "analyst", "D": "data-engineer", "M": "ml-engineer", "P": "product-manager"}

PERMISSIONS: Mapping[str, str] = MappingProxyType({name: meaning for name, _, meaning in _TABLE})


def _permissions_of(role: Role) -> frozenset[str]:
    if role == "administrator":
        return frozenset(PERMISSIONS)
    return frozenset(
        name for name, who, _ in _TABLE if who == "*" or role in {_LETTERS[letter] for letter in who.split()}
    )


MAY: Mapping[Role, frozenset[str]] = MappingProxyType({role: _permissions_of(role) for role in ROLES})


def require(role: Role, permission: str) -> None:
    """Refuse what a role may not do.

    Raises:
        ForbiddenError: It may not.
    """
    if permission not in MAY[role]:
        named = "nobody who is not logged in" if role == "anonymous" else f"no {role.replace('-', ' ')}"
        raise ForbiddenError(f"{named} may {PERMISSIONS.get(permission, permission)}", hint=f"needs {permission}")


def check_role(role: str) -> Role:
    """A role that a user can have.

    Raises:
        MisuseError: There is no such role, or it is `anonymous`.
    """
    for known in ROLES:
        if role == known != "anonymous":
            return known
    raise MisuseError(f"there is no role {role!r}", hint=f"roles: {', '.join(ROLES[1:])}")


def check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes of a key, each once, in the order of the table.

    Raises:
        MisuseError: None given, or one that does not exist.
    """
    given = set(scopes)
    if unknown := sorted(given - PERMISSIONS.keys()):
        raise MisuseError(f"there is no scope {unknown[0]!r}", hint=f"scopes: {', '.join(PERMISSIONS)}")
    if not given:
        raise MisuseError("a key needs at least one scope", hint="for predictions: --scope predict")
    return tuple(name for name in PERMISSIONS if name in given)


def as_markdown() -> str:
    """The table for docs/security.md; a test compares both."""
    lines = ["| permission | " + " | ".join(role.replace("-", " ") for role in ROLES) + " | lets one |"]
    lines.append("|---" * (len(ROLES) + 2) + "|")
    for name, meaning in PERMISSIONS.items():
        marks = " | ".join("yes" if name in MAY[role] else "" for role in ROLES)
        lines.append(f"| `{name}` | {marks} | {meaning} |")
    return "\n".join(lines) + "\n"
