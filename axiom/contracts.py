"""Frozen types that cross rooms: the canonical entities and their columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ColumnType = Literal["string", "timestamp", "float"]


@dataclass(frozen=True)
class Column:
    """One canonical column of an entity.

    Attributes:
        name: canonical name, as it stands in silver.
        type: `string`, `timestamp` (microseconds, UTC) or `float` (float64).
        required: an ingest without it is refused.
        description: one line for people.
        aliases: lower-case names, letters and digits only, under which sources call it; used to guess a mapping.
    """

    name: str
    type: ColumnType
    required: bool
    description: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entity:
    """A canonical entity: what one row means, and when it happened.

    Attributes:
        name: `transactions`, `events` or `customers`.
        time_column: when it happened (event time). `known_at` says when we could have known it.
        key_column: natural key, or "" when rows have none; rows of one key are versions of one fact.
        columns: canonical columns; a source may map further ones, which keep their own name and type.
    """

    name: str
    time_column: str
    key_column: str
    columns: tuple[Column, ...] = field(repr=False)

    def column(self, name: str) -> Column | None:
        """The canonical column called `name`, or None."""
        return next((column for column in self.columns if column.name == name), None)


_CUSTOMER_ID = Column(
    "customer_id",
    "string",
    required=True,
    description="who; any text, compared byte by byte",
    aliases=("customerid", "customer", "custid", "cust", "clientid", "userid", "user", "memberid", "accountid", "id"),
)
_KNOWN_AT = Column(
    "known_at",
    "timestamp",
    required=False,
    description="when this row could first have been known (knowledge time); default: the event time",
    aliases=("knownat", "updatedat", "ingestedat", "loadedat", "receivedat", "createdat", "modifiedat"),
)

TRANSACTIONS = Entity(
    "transactions",
    time_column="txn_ts",
    key_column="transaction_id",
    columns=(
        _CUSTOMER_ID,
        Column(
            "txn_ts",
            "timestamp",
            required=True,
            description="when the purchase happened",
            aliases=(
                *("txnts", "transactiondate", "transactionts", "invoicedate", "orderdate", "orderts", "purchasedate"),
                *("date", "datetime", "timestamp", "time", "ts"),
            ),
        ),
        Column(
            "amount",
            "float",
            required=False,
            description="money in the lake's currency; negative for a return",
            aliases=("amount", "dollarvalue", "price", "revenue", "value", "total", "sales", "spend", "ordervalue"),
        ),
        Column(
            "transaction_id",
            "string",
            required=False,
            description="natural key; a later row with the same key corrects the earlier one",
            aliases=("transactionid", "txnid", "orderid"),
        ),
        Column(
            "currency",
            "string",
            required=False,
            description="ISO 4217 code; rows in another currency than the lake's are refused",
            aliases=("currency", "currencycode"),
        ),
        _KNOWN_AT,
    ),
)

EVENTS = Entity(
    "events",
    time_column="event_ts",
    key_column="event_id",
    columns=(
        _CUSTOMER_ID,
        Column(
            "event_ts",
            "timestamp",
            required=True,
            description="when it happened",
            aliases=("eventts", "eventtime", "eventdate", "timestamp", "datetime", "date", "time", "ts", "createdat"),
        ),
        Column(
            "event_type",
            "string",
            required=True,
            description="what happened: login, support_ticket, cancel, …",
            aliases=("eventtype", "event", "eventname", "type", "action", "activity"),
        ),
        Column(
            "value",
            "float",
            required=False,
            description="a number that belongs to it: duration, sentiment, score",
            aliases=("value", "eventvalue", "duration", "score"),
        ),
        Column("event_id", "string", required=False, description="natural key", aliases=("eventid",)),
        _KNOWN_AT,
    ),
)

CUSTOMERS = Entity(
    "customers",
    time_column="valid_from",
    key_column="",
    columns=(
        _CUSTOMER_ID,
        Column(
            "valid_from",
            "timestamp",
            required=False,
            description="from when these attributes hold; default: the sign-up time, or the dawn of time",
            aliases=("validfrom", "updatedat", "effectivefrom", "asof"),
        ),
        Column(
            "signup_ts",
            "timestamp",
            required=False,
            description="when the customer signed up",
            aliases=("signupts", "signupdate", "createdat", "registered", "joindate", "startdate"),
        ),
        _KNOWN_AT,
    ),
)

ENTITIES: dict[str, Entity] = {entity.name: entity for entity in (TRANSACTIONS, EVENTS, CUSTOMERS)}
