from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve defines its schemas in a way that newer pydantic warns about
    import ray.serve.schema  # noqa: F401


@pytest.fixture(autouse=True)
def environment_as_before() -> Iterator[None]:
    """Choosing an ingress sets variables of this process; the next test finds none of them."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
