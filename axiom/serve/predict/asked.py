"""What one prediction request asks for, checked: HTTP bodies and gRPC messages both become this."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from axiom.errors import BadInputError, MisuseError, TooLargeError
from axiom.scoring.posted_rows import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_CUSTOMERS = 1000
"""Customer ids in one request."""
MAX_BODY = 1 << 20
"""Bytes of one request's body."""
MAX_ID = 1024
"""Characters of one customer id."""
WAYS = ("customer_id", "customer_ids", "features", "history")
_KEYS = frozenset((*WAYS, "as_of"))


@dataclass(frozen=True, slots=True)
class Asked:
    """Who or what to predict for; exactly one of the three ways is set.

    Attributes:
        customers: known customers by id, () where another way is used.
        single: whether one customer was asked for alone, so that an unknown one is an error.
        features: feature values by name.
        history: rows of the customer's own history by entity (`transactions`, `events`, `customers`).
        as_of: cut-off of `history`, UTC; None means now.
    """

    customers: tuple[str, ...] = ()
    single: bool = True
    features: Mapping[str, Any] | None = None
    history: Mapping[str, Any] | None = None
    as_of: datetime | None = None

    @property
    def source(self) -> str:
        """`id`, `features` or `history`, as the inference log calls it."""
        if self.features is not None:
            return "features"
        return "id" if self.history is None else "history"

    @property
    def cost(self) -> int:
        """What the request counts against a rate limit: one for each hundred customers begun."""
        return max(1, -(-len(self.customers) // 100))


def one_customer(customer: object) -> Asked:
    """Ask for one customer by id.

    Raises:
        BadInputError: it is no text, empty, or too long.
    """
    return Asked((checked_id(customer),))


def checked_id(customer: object) -> str:
    """A customer id that can be looked up.

    Raises:
        BadInputError: it is no text, empty, or too long.
    """
    if type(customer) is not str or not customer:
        raise BadInputError(
            "customer_id is missing, empty or not text",
            hint='send {"customer_id": "C000001"}; ids are text, also where they look like numbers',
        )
    if len(customer) > MAX_ID:
        raise BadInputError(f"the customer_id has {len(customer):,} characters, at most {MAX_ID:,} are allowed")
    return customer


def many_customers(customers: object) -> Asked:
    """Ask for several customers by id.

    Raises:
        BadInputError: no list of ids.
        TooLargeError: too many of them.
    """
    if not isinstance(customers, list | tuple) or not customers:
        raise BadInputError("customer_ids must be a list of at least one id", hint='send {"customer_ids": ["C000001"]}')
    if len(customers) > MAX_CUSTOMERS:
        raise TooLargeError(
            f"{len(customers):,} customer_ids, at most {MAX_CUSTOMERS:,} in one request",
            hint="split them, or score the whole base with `axiom score`",
        )
    return Asked(tuple(map(checked_id, customers)), single=False)


def parse_body(raw: bytes | bytearray) -> Asked:
    """The request that a JSON body asks for.

    Raises:
        MisuseError: it is no JSON object; JSON has no NaN and no infinity.
        BadInputError: a key is unknown or missing, or a value has the wrong type; it is named.
        TooLargeError: too many ids.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise MisuseError(f"the body is not JSON: {error}", hint='send {"customer_id": "C000001"}') from None
    if type(body) is not dict:
        raise MisuseError("the body must be a JSON object", hint='send {"customer_id": "C000001"}')
    return asked_of(body)


def asked_of(body: dict[str, Any]) -> Asked:
    """The request that the keys of a body ask for; see `parse_body`."""
    if len(body) == 1 and "customer_id" in body:
        return one_customer(body["customer_id"])
    return _other_way(body)


def _other_way(body: dict[str, Any]) -> Asked:
    unknown = [key for key in body if key not in _KEYS]
    if unknown:
        raise BadInputError(
            f"unknown key {unknown[0][:100]!r} in the body", hint=f"the keys are {', '.join(sorted(_KEYS))}"
        )
    ways = [way for way in WAYS if way in body]
    if len(ways) != 1:
        raise BadInputError(
            f"the body holds {' and '.join(ways) or 'none'} of {', '.join(WAYS)}", hint="send exactly one of them"
        )
    way = ways[0]
    if "as_of" in body and way != "history":
        raise BadInputError("as_of goes with history alone", hint="customers are answered as of the published features")
    if way == "customer_id":
        return one_customer(body[way])
    if way == "customer_ids":
        return many_customers(body[way])
    if not isinstance(body[way], dict) or not body[way]:
        raise BadInputError(f"{way} must be an object that is not empty")
    if way == "features":
        return Asked(features=body[way])
    return Asked(history=body[way], as_of=None if body.get("as_of") is None else _time(body["as_of"]))


def _time(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise BadInputError(f"as_of {shown(text)} is no time", hint="write it like 2011-09-10T00:00:00Z") from None


def distinct(customers: Sequence[str]) -> tuple[str, ...]:
    """Each customer once, in order of first appearance."""
    return tuple(dict.fromkeys(customers))
