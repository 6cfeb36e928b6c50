"""Reading one step ahead: the next item is made in a second thread while this one is used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items in the same order; at most one is ready and waiting. Errors come out where the item would."""
    source = iter(items)
    end = object()
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(next, source, end)
        while (item := upcoming.result()) is not end:
            upcoming = pool.submit(next, source, end)
            yield item  # type: ignore[misc]  # everything but the end mark is a T
