from __future__ import annotations

from pathlib import Path

import pytest

from axiom.access.permissions import MAY, PERMISSIONS, ROLES, as_markdown, check_role, check_scopes, require
from axiom.errors import ForbiddenError, MisuseError

SECURITY = Path(__file__).parents[2] / "docs" / "security.md"


def test_the_documented_table_is_the_one_that_is_enforced() -> None:
    assert as_markdown() in SECURITY.read_text(), "paste the output of axiom.access.permissions.as_markdown()"


def test_an_administrator_may_everything_and_an_anonymous_visitor_sees_home_only() -> None:
    assert MAY["administrator"] == PERMISSIONS.keys()
    assert MAY["anonymous"] == {"home.read"}


@pytest.mark.parametrize("permission", ["users.write", "keys.write", "users.read", "keys.read", "audit.read"])
def test_only_an_administrator_manages_access(permission: str) -> None:
    assert [role for role in ROLES if permission in MAY[role]] == ["administrator"]


def test_who_may_change_something_may_see_it() -> None:
    for role in ROLES:
        for permission in MAY[role]:
            thing, _, verb = permission.partition(".")
            if verb in ("write", "run"):
                assert f"{thing}.read" in MAY[role], (role, permission)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_role_is_let_through_exactly_where_the_table_says(role: str, permission: str) -> None:
    if permission in MAY[role]:  # type: ignore[index]
        require(role, permission)  # type: ignore[arg-type]
    else:
        with pytest.raises(ForbiddenError, match=f"needs {permission}"):
            require(role, permission)  # type: ignore[arg-type]


def test_a_permission_that_does_not_exist_is_refused_to_everybody() -> None:
    for role in ROLES:
        with pytest.raises(ForbiddenError):
            require(role, "sources.wirte")


def test_a_refusal_says_who_may_not_do_what() -> None:
    with pytest.raises(ForbiddenError, match=r"no analyst may promote and roll back models.*needs models\.write"):
        require("analyst", "models.write")


@pytest.mark.parametrize("role", ["king", "", "Administrator", "anonymous"])
def test_a_role_that_no_user_can_have_is_refused(role: str) -> None:
    with pytest.raises(MisuseError, match="there is no role"):
        check_role(role)


def test_scopes_come_back_each_once_in_the_order_of_the_table() -> None:
    assert check_scopes(["explain", "predict", "explain"]) == ("predict", "explain")
