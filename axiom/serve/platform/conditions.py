"""Changes that hold only for the state that the caller has seen: ETag and If-Match (RFC 9110)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import Depends, Header

from axiom.errors import StaleError, UnconditionalError

if TYPE_CHECKING:
    from pydantic import BaseModel

IfMatchHeader = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=1000,
        description="The ETag that was seen, or `*` for whatever is there now.",
    ),
]


@dataclass(frozen=True)
class Precondition:
    """What a caller has seen; None where nothing was said."""

    tags: tuple[str, ...] | None

    def check(self, current: str, what: str) -> None:
        """Refuse a change of something that is not what the caller has seen.

        Raises:
            StaleError: it was changed meanwhile.
        """
        if self.tags is not None and "*" not in self.tags and current not in self.tags:
            raise StaleError(f"{what} was changed meanwhile", hint="look at it again, then repeat the change")


def etag(seen: BaseModel) -> str:
    """The ETag of something as it is shown: the same bytes, the same tag."""
    return tag_of(seen.model_dump(mode="json"))


def tag_of(value: Any) -> str:
    """An ETag for JSON values."""
    return f'"{blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()}"'


def _required(if_match: IfMatchHeader = None) -> Precondition:
    if if_match is None:
        raise UnconditionalError(
            "the change does not say which state it is about", hint="send the ETag that you have seen as If-Match, or *"
        )
    return _optional(if_match)


def _optional(if_match: IfMatchHeader = None) -> Precondition:
    if if_match is None:
        return Precondition(None)
    return Precondition(tuple(part.strip() for part in if_match.split(",")))


IfMatch = Annotated[Precondition, Depends(_required)]
IfMatchOrAny = Annotated[Precondition, Depends(_optional)]
