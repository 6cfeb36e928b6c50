"""Types that every part of the contract shares: texts, times, names, lists."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import orjson
from fastapi import Depends, Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from axiom.db.pages import Condition, Page, Part

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
MOST = 500
"""Rows of one page."""
_YEARS = range(1900, 2200)


class Shown(BaseModel):
    """What is answered: read from the attributes of whatever the rooms below return."""

    model_config = ConfigDict(from_attributes=True, ser_json_inf_nan="null")


class Given(BaseModel):
    """What is sent. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Listed(Shown, Generic[T]):
    """Some of a list, and how many there are in all."""

    items: list[T]
    total: int = Field(description="In all, under the same filters.")
    limit: int
    offset: int


def listed(page: Page[Any], make: Callable[[Any], Any] = lambda item: item) -> dict[str, Any]:
    """A page as `Listed` has it."""
    items = [make(item) for item in page.items]
    return {"items": items, "total": page.total, "limit": page.part.limit, "offset": page.part.offset}


def cut(rows: list[Any], part: Part) -> dict[str, Any]:
    """The asked part of a list that is all in memory."""
    shown = rows[part.offset : part.offset + part.limit]
    return {"items": shown, "total": len(rows), "limit": part.limit, "offset": part.offset}


def _part(
    limit: Annotated[int, Query(ge=1, le=MOST, description="Rows at most.")] = 50,
    offset: Annotated[int, Query(ge=0, le=10**9, description="Rows to skip.")] = 0,
) -> Part:
    return Part(limit, offset)


Paged = Annotated[Part, Depends(_part)]


def asked(part: Part, sort: str | None = None, *conditions: Condition | None) -> Part:
    """A part with its order and its conditions; those that are None were not asked for."""
    return Part(part.limit, part.offset, sort or "", tuple(one for one in conditions if one is not None))


def equal(column: str, value: Any) -> Condition | None:
    """`column = value`, where a value was given."""
    return None if value is None else Condition(column, "=", value)


def at_least(column: str, value: Any) -> Condition | None:
    """`column >= value`, where a value was given."""
    return None if value is None else Condition(column, ">=", value)


def below(column: str, value: Any) -> Condition | None:
    """`column < value`, where a value was given."""
    return None if value is None else Condition(column, "<", value)


def missing(column: str, value: bool | None) -> Condition | None:  # noqa: FBT001
    """`column is null`, or that it is not, where one was asked for."""
    return None if value is None else Condition(column, "is null", value)


def _utc(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        msg = f"a year from {_YEARS.start} to {_YEARS.stop - 1} is expected"
        raise ValueError(msg)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    try:
        orjson.dumps(value)
    except (orjson.JSONEncodeError, TypeError, RecursionError):
        msg = "a value cannot be kept as JSON"
        raise ValueError(msg) from None
    return value


Moment = Annotated[datetime, AfterValidator(_utc), Field(description="ISO 8601; UTC where no zone is named.")]
JsonObject = Annotated[dict[str, Any], AfterValidator(_plain)]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S", description="Why, for the audit trail.")]
CustomerId = Annotated[str, Path(min_length=1, max_length=1024)]
ModelName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
ExperimentName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
SourceName = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
Name = Annotated[str, Path(min_length=1, max_length=256)]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{0,127}$")]
Version = Annotated[
    str,
    Path(
        pattern=r"^(latest|candidate|shadow|canary|champion|archived|[0-9]{1,9})$",
        description="A number, a stage (its newest version), or `latest`.",
    ),
]
Number = Annotated[int, Path(ge=1, le=999_999_999)]
