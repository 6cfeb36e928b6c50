"""The audit as a table for people: what each feature may know, and whether the proof found it to know more."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from axiom.contracts import ENTITIES
from axiom.errors import QualityError
from axiom.features.audit import BucketAudit, Leak
from axiom.features.perturb import FUTURES
from axiom.features.user_sql import tables_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from axiom.features.plan import Column, Plan

Verdict = Literal["ok", "warn", "fail"]
_UNDATED_SHARE = 0.05


@dataclass(frozen=True)
class FeatureVerdict:
    """One line of the audit table.

    Attributes:
        feature: name of the column.
        source: entity and columns it is made from.
        window: what part of history it looks at.
        availability: which rows it may see.
        null_rate: share of sampled rows in which it is null, in [0, 1].
        verdict: `ok`, `warn` or `fail`.
        note: why it is not `ok`, or what to know.
    """

    feature: str
    source: str
    window: str
    availability: str
    null_rate: float
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True)
class AuditReport:
    """The audit of a feature set on a lake.

    Attributes:
        features: one line per column.
        leaks: first leak of each leaking column.
        customers: how many customers the proof was tried on.
        cuts: cut-offs of the proof, in microseconds.
    """

    features: tuple[FeatureVerdict, ...]
    leaks: tuple[Leak, ...]
    customers: int
    cuts: tuple[int, ...]

    @property
    def passed(self) -> bool:
        """Whether no feature felt the future."""
        return not self.leaks

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"passed": self.passed, **asdict(self)}

    def lines(self) -> list[str]:
        """For people: the table, an empty line, then three lines that sum up."""
        rows = [("feature", "source", "window", "availability", "null", "verdict", "note")]
        rows += [
            (f.feature, f.source, f.window, f.availability, f"{f.null_rate:.0%}", f.verdict, f.note)
            for f in self.features
        ]
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        text = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return [*text, "", *self.summary()]

    def summary(self) -> list[str]:
        """Three lines: the proof, how many features are ok, and which to look at."""
        count = {verdict: sum(f.verdict == verdict for f in self.features) for verdict in ("ok", "warn", "fail")}
        warned = ", ".join(f.feature for f in self.features if f.verdict == "warn")
        futures = ", ".join(FUTURES)
        proof = (
            f"no value changed in {len(FUTURES)} other futures ({futures})"
            if self.passed
            else f"LEAK: {', '.join(leak.feature for leak in self.leaks)}"
        )
        return [
            f"audit of {self.customers:,} customers at {len(self.cuts)} cut-offs: {proof}",
            f"  {count['ok']} features ok, {count['warn']} to look at, {count['fail']} leaking",
            f"  to look at: {warned}" if warned else "  nothing to look at",
        ]

    def require(self) -> None:
        """Let the work go on only if nothing leaks.

        Raises:
            QualityError: names the leaking features with one changed value.
        """
        if self.passed:
            return
        first = self.leaks[0]
        raise QualityError(
            f"leakage: {', '.join(leak.feature for leak in self.leaks)} changed when only the future did; "
            f"for example {first.feature} of {first.customer_id!r}: {first.before} became {first.after} "
            f"({first.future})",
            hint="correct or remove these features; `axiom audit` shows every one",
        )


def audit_report(plan: Plan, buckets: Iterable[BucketAudit]) -> AuditReport:
    """Put the audits of the buckets together."""
    seen = sum(buckets, start=BucketAudit())
    leaks = {leak.feature: leak for leak in seen.leaks}
    verdicts = tuple(_verdict(plan, column, seen, leaks.get(column.name)) for column in plan.columns)
    return AuditReport(verdicts, seen.leaks, seen.customers, seen.cuts)


def _verdict(plan: Plan, column: Column, seen: BucketAudit, leak: Leak | None) -> FeatureVerdict:
    feature = column.feature
    null_rate = seen.nulls.get(column.name, 0) / seen.rows if seen.rows else 0.0
    verdict: Verdict = "ok"
    note = ""
    if feature.kind == "attribute" and seen.undated_rows > _UNDATED_SHARE * seen.attribute_rows:
        share = seen.undated_rows / seen.attribute_rows
        verdict, note = "warn", f"availability unknown: {share:.0%} of the rows do not say since when they hold"
    elif seen.rows and null_rate == 1:
        verdict, note = "warn", "always null"
    if leak is not None:
        verdict, note = "fail", f"{leak.before} became {leak.after} for {leak.customer_id!r} ({leak.future})"
    return FeatureVerdict(
        column.name, _source(plan, column), _window(column), _availability(plan, column), null_rate, verdict, note
    )


def _entities(plan: Plan, column: Column) -> tuple[str, ...]:
    feature = column.feature
    if feature.kind == "sql":
        return tuple(sorted(tables_of(feature, {entity: {} for entity in plan.reads})))
    if feature.kind == "tenure":
        return tuple(plan.reads)
    return ("customers",) if feature.kind == "attribute" else (feature.entity,)


def _source(plan: Plan, column: Column) -> str:
    feature = column.feature
    columns = dict.fromkeys([feature.column, *(condition.column for condition in feature.where)])
    used = ", ".join(name for name in columns if name)
    entities = " + ".join(_entities(plan, column))
    return f"{entities}: {used}" if used else entities


def _window(column: Column) -> str:
    lag = f", {column.feature.lag} d back" if column.feature.lag else ""
    if isinstance(column.window, int):
        return f"{column.window} d{lag}"
    return f"by stage{lag}" if column.window == "lifecycle" else "all history"


def _availability(plan: Plan, column: Column) -> str:
    rules = []
    for entity in _entities(plan, column):
        time = ENTITIES[entity].time_column
        known = " and known_at <= as_of" if "known_at" in plan.reads[entity] else ""
        rules.append(f"{time} < as_of{known}")
    return "; ".join(dict.fromkeys(rules))
