"""The engine's contract, and the one-process engine."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from axiom.settings import Settings

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Runs one pure function over many items. Results come back in the order of the items."""

    @property
    def workers(self) -> int:
        """How many items run at once."""
        ...

    def map_buckets(
        self, function: Callable[[int], R], buckets: Sequence[int], *, on_done: Callable[[], None] | None = None
    ) -> list[R]:
        """Run `function(bucket)` for every bucket of the lake; `on_done` is called as each one finishes.

        The first error ends the work and is raised here as itself.
        """
        ...

    def map_tasks(
        self,
        function: Callable[[T], R],
        items: Sequence[T],
        *,
        on_done: Callable[[], None] | None = None,
    ) -> list[R]:
        """Run `function(item)` for every item, for example one model fit a fold. Items may hold arrays."""
        ...


class InlineEngine:
    """Everything in this process, one after the other."""

    workers = 1

    def map_buckets(
        self, function: Callable[[int], R], buckets: Sequence[int], *, on_done: Callable[[], None] | None = None
    ) -> list[R]:
        """See `Engine.map_buckets`."""
        return self.map_tasks(function, buckets, on_done=on_done)

    def map_tasks(
        self, function: Callable[[T], R], items: Sequence[T], *, on_done: Callable[[], None] | None = None
    ) -> list[R]:
        """See `Engine.map_tasks`."""
        results = []
        for item in items:
            results.append(function(item))
            if on_done is not None:
                on_done()
        return results


@contextmanager
def open_engine(settings: Settings) -> Iterator[Engine]:
    """The engine that the settings name. Ray starts here, at first need, and stops with the process."""
    if settings.engine == "inline":
        yield InlineEngine()
        return
    from axiom.engine.on_ray import RayEngine

    yield RayEngine.start(settings)
