"""Companies that several tests look at; generated once, never changed."""

from __future__ import annotations

import pytest

from axiom.sources.synthetic import SyntheticCompany, generate


@pytest.fixture(scope="session")
def users() -> SyntheticCompany:
    return generate("users")


@pytest.fixture(scope="session")
def lifecycle() -> SyntheticCompany:
    return generate("lifecycle")


@pytest.fixture(scope="session")
def retail() -> SyntheticCompany:
    return generate("retail")


@pytest.fixture(scope="session")
def shop() -> SyntheticCompany:
    return generate("shop", events_per_week=1.0, late_share=0.05)


@pytest.fixture(params=["users", "lifecycle", "retail", "shop"])
def company(request: pytest.FixtureRequest) -> SyntheticCompany:
    return request.getfixturevalue(request.param)
