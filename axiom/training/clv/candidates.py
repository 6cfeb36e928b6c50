"""All candidates by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from axiom.errors import MisuseError
from axiom.training.clv.probabilistic import PURCHASE_MODELS, Probabilistic

if TYPE_CHECKING:
    from collections.abc import Callable

    from axiom.training.clv.candidate import Candidate


def candidate(name: str, **params: Any) -> Candidate:
    """A candidate with its hyper-parameters.

    Raises:
        MisuseError: an unknown name, an unknown parameter, or a value out of its range.
    """
    # The challengers bring learning libraries with them: they are loaded when one of them is asked for.
    if name in PURCHASE_MODELS:
        make: Callable[..., Candidate] = partial(Probabilistic, name)
    else:
        challengers = _challengers()
        if name not in challengers:
            raise MisuseError(f"unknown CLV model {name!r}", hint=f"one of {', '.join(candidate_names())}")
        make = challengers[name]
    try:
        return make(**params)
    except (TypeError, ValueError) as error:
        raise MisuseError(f"{name} does not take {params}: {error}") from error


def candidate_names() -> tuple[str, ...]:
    """Every name, simplest first."""
    return tuple(sorted((*PURCHASE_MODELS, *_challengers()), key=lambda name: (candidate(name).rank, name)))


def _challengers() -> dict[str, Callable[..., Candidate]]:
    from axiom.training.clv_challengers import CHALLENGERS

    return dict(CHALLENGERS)
