"""The schema contract of a source: how its columns changed since its last batch, and what that means for this one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from axiom.errors import BadInputError
from axiom.sources.request import Drift

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from axiom.contracts import ColumnType
    from axiom.lake import Manifest
    from axiom.sources.incoming import Incoming
    from axiom.sources.request import ContractPolicy


@dataclass(frozen=True)
class Contract:
    """What a source's contract asks of one batch.

    Attributes:
        drift: how the columns differ from the last committed batch of the source.
        left_out: columns that go nowhere, bronze included (`discard_columns`).
        new: columns whose use gets a row refused (`discard_rows`).
        retyped: column -> the kind its values have to have (`discard_rows`).
    """

    drift: Drift = field(default_factory=Drift)
    left_out: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    retyped: Mapping[str, ColumnType] = field(default_factory=dict)


def schema_facts(incoming: Incoming) -> dict[str, str]:
    """Column -> type, as the next batch's contract will compare them."""
    return {column.name: "text" if incoming.is_text else str(column.type) for column in incoming.schema}


def last_batch(history: Iterable[Manifest], source: str) -> Manifest | None:
    """The newest committed batch of a source."""
    own = [manifest for manifest in history if manifest.properties.get("source") == source]
    return max(own, key=lambda manifest: manifest.created_at, default=None)


def find_drift(before: Mapping[str, str], after: Mapping[str, str]) -> Drift:
    """Compare two sets of columns."""
    both = [name for name in after if name in before]
    return Drift(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple((name, before[name], after[name]) for name in both if before[name] != after[name]),
    )


def check_contract(policy: ContractPolicy, incoming: Incoming, last: Manifest | None) -> Contract:
    """Compare a source with its last batch under a policy.

    Raises:
        BadInputError: the policy is `freeze` and something changed.
    """
    known: Mapping[str, str] = (last.properties.get("source_schema") or {}) if last else {}
    drift = find_drift(known, schema_facts(incoming)) if known else Drift()
    if not drift or policy == "evolve":
        return Contract(drift)
    if policy == "freeze":
        raise BadInputError(
            f"the source changed, and its contract is frozen: {drift}",
            hint="--contract evolve takes it as it is; discard_rows and discard_columns leave the news out",
        )
    if policy == "discard_columns":
        return Contract(drift, left_out=drift.added)
    retyped = {name: kind_of_type_name(old) for name, old, _ in drift.changed if kind_of_type_name(old) != "string"}
    return Contract(drift, new=drift.added, retyped=retyped)


def without(schema: pa.Schema, left_out: Iterable[str]) -> tuple[str, ...]:
    """Names of the columns that stay."""
    gone = set(left_out)
    return tuple(name for name in schema.names if name not in gone)


def kind_of_type_name(name: str) -> ColumnType:
    """What silver makes of a type, from its text in a manifest."""
    if name.startswith(("timestamp", "date")):
        return "timestamp"
    if name.startswith(("int", "uint", "float", "double", "halffloat", "decimal")):
        return "float"
    return "string"
