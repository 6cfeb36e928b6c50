"""The data-quality gate before training and scoring: a pure function of what the lake's manifests and footers say."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

from axiom.contracts import ENTITIES
from axiom.errors import QualityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from axiom.contracts import Entity
    from axiom.lake import FileEntry, Snapshot

Verdict = Literal["pass", "warn", "fail"]

_DAY = 86_400_000_000
_FEWEST_BATCHES = 3


@dataclass(frozen=True)
class QualityRules:
    """Where the limits are.

    Attributes:
        stale_days: age of the newest row from which a warning is due.
        dead_days: age from which nothing may be trained or scored.
        missing: highest share of missing or refused values, in [0, 1].
        baseline_factor: a share this many times that of the earlier batches is too high, too …
        noise: … unless it is below this share.
        repeated: share of repeated rows from which a warning is due.
        volume_factor: a batch this many times larger or smaller than usual gets a warning.
    """

    stale_days: float = 7
    dead_days: float = 30
    missing: float = 0.05
    baseline_factor: float = 2
    noise: float = 0.005
    repeated: float = 0.05
    volume_factor: float = 10


@dataclass(frozen=True)
class Check:
    """One question and its answer.

    Attributes:
        name: `presence`, `freshness`, `completeness`, `missing`, `range`, `duplicates` or `volume`.
        entity: which table.
        column: which column; "" when it is about the table.
        verdict: `pass`, `warn` or `fail`.
        value: what was measured.
        limit: what it was compared with.
        message: one line for people.
    """

    name: str
    entity: str
    column: str
    verdict: Verdict
    value: float
    limit: float
    message: str


@dataclass(frozen=True)
class QualityReport:
    """All checks."""

    checks: tuple[Check, ...] = field(default_factory=tuple)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict."""
        found = {check.verdict for check in self.checks}
        return "fail" if "fail" in found else "warn" if "warn" in found else "pass"

    def require(self) -> None:
        """Stop here where a check failed.

        Raises:
            QualityError: names every check that failed.
        """
        failed = [check.message for check in self.checks if check.verdict == "fail"]
        if failed:
            raise QualityError(
                f"data quality: {'; '.join(failed)}", hint="mend the data and ingest again, or relax the rules"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {"verdict": self.verdict, "checks": [asdict(check) for check in self.checks]}


def check_quality(
    snapshots: Mapping[str, Snapshot], *, as_of: datetime | None = None, rules: QualityRules | None = None
) -> QualityReport:
    """Judge the data that a training or scoring would use. Reads manifests and Parquet footers, no rows.

    Args:
        snapshots: entity -> what silver holds.
        as_of: the time that is to be trained or scored for; freshness is measured from it. Default: the last row.
        rules: the limits.
    """
    rules = rules or QualityRules()
    present = {entity: snapshot for entity, snapshot in snapshots.items() if snapshot.rows}
    behaviour = [entity for entity in present if entity != "customers"]
    checks = [_presence(behaviour)]
    for entity, snapshot in present.items():
        if entity != "customers":
            checks.append(_freshness(entity, snapshot, as_of, rules))
        checks.extend(_completeness(entity, snapshot, rules))
        checks.extend(_missing(entity, snapshot, rules))
        checks.append(_duplicates(entity, snapshot, rules))
        checks.extend(_volume(entity, snapshot, rules))
    if "transactions" in present and "amount" in present["transactions"].columns:
        checks.append(_sales(present["transactions"]))
    return QualityReport(tuple(checks))


def _presence(behaviour: list[str]) -> Check:
    verdict: Verdict = "pass" if behaviour else "fail"
    message = f"there are {' and '.join(behaviour)}" if behaviour else "there are neither transactions nor events"
    return Check("presence", "", "", verdict, len(behaviour), 1, message)


def _freshness(entity: str, snapshot: Snapshot, as_of: datetime | None, rules: QualityRules) -> Check:
    newest = snapshot.max_ts or 0
    wanted = newest if as_of is None else int(as_of.astimezone(UTC).timestamp() * 1_000_000)
    days = max((wanted - newest) / _DAY, 0.0)
    verdict: Verdict = "fail" if days > rules.dead_days else "warn" if days > rules.stale_days else "pass"
    return Check(
        "freshness", entity, "", verdict, days, rules.dead_days, f"{entity}: newest row is {days:.1f} days old"
    )


def _completeness(entity: str, snapshot: Snapshot, rules: QualityRules) -> Iterator[Check]:
    """Refused rows are missing rows: they are judged like missing values."""
    counts = [facts["counts"] for facts in _batches(snapshot) if facts.get("counts")]
    if not counts:
        return
    total = _share(sum(c["refused"] for c in counts), sum(c["rows_in"] for c in counts))
    last, earlier = counts[-1], counts[:-1]
    newest = _share(last["refused"], last["rows_in"])
    baseline = _share(sum(c["refused"] for c in earlier), sum(c["rows_in"] for c in earlier)) if earlier else None
    worst = max(total, newest)
    verdict = _too_much(worst, newest, baseline, rules)
    yield Check("completeness", entity, "", verdict, worst, rules.missing, f"{entity}: {worst:.1%} of rows refused")


def _missing(entity: str, snapshot: Snapshot, rules: QualityRules) -> Iterator[Check]:
    shape = ENTITIES[entity]
    nulls = [_nulls(snapshot, commit.files) for commit in snapshot.commits]
    for name in snapshot.columns:
        if name == "known_at":
            continue  # null there means: known when it happened
        held = [counts[name] for counts in nulls if name in counts]
        rate = _share(sum(n for n, _ in held), sum(rows for _, rows in held))
        newest = _share(*held[-1])
        baseline = _share(sum(n for n, _ in held[:-1]), sum(rows for _, rows in held[:-1])) if len(held) > 1 else None
        worst = max(rate, newest)
        verdict = _too_much(worst, newest, baseline, rules)
        if verdict == "fail" and not _indispensable(shape, name) and not _risen(newest, baseline, rules):
            verdict = "warn"  # an event without a value is an event; a column that thins out is a broken source
        yield Check("missing", entity, name, verdict, worst, rules.missing, f"{entity}.{name}: {worst:.1%} missing")


def _too_much(worst: float, newest: float, baseline: float | None, rules: QualityRules) -> Verdict:
    return "fail" if worst > rules.missing or _risen(newest, baseline, rules) else "pass"


def _risen(newest: float, baseline: float | None, rules: QualityRules) -> bool:
    return baseline is not None and newest > rules.noise and newest > rules.baseline_factor * baseline


def _indispensable(entity: Entity, name: str) -> bool:
    column = entity.column(name)
    return column is not None and (column.required or name == "amount")


def _duplicates(entity: str, snapshot: Snapshot, rules: QualityRules) -> Check:
    counts = [facts["counts"] for facts in _batches(snapshot) if facts.get("counts")]
    share = _share(sum(c["repeated"] for c in counts), sum(c["rows_in"] for c in counts))
    verdict: Verdict = "warn" if share > rules.repeated else "pass"
    message = f"{entity}: {share:.1%} of rows repeat an equal row of their batch"
    return Check("duplicates", entity, "", verdict, share, rules.repeated, message)


def _volume(entity: str, snapshot: Snapshot, rules: QualityRules) -> Iterator[Check]:
    by_source: dict[str, list[int]] = {}
    for facts in _batches(snapshot):
        if facts.get("counts"):
            by_source.setdefault(str(facts.get("source")), []).append(facts["counts"]["rows_in"])
    for source, sizes in by_source.items():
        if len(sizes) <= _FEWEST_BATCHES:
            continue
        usual = median(sizes[:-1])
        ratio = sizes[-1] / usual if usual else 1.0
        odd = not 1 / rules.volume_factor <= ratio <= rules.volume_factor
        verdict: Verdict = "warn" if odd else "pass"
        message = f"{entity} from {source}: the newest batch has {ratio:.2g} times the usual rows"
        yield Check("volume", entity, "", verdict, ratio, rules.volume_factor, message)


def _sales(snapshot: Snapshot) -> Check:
    highest = max((top for commit in snapshot.commits for top in _maxima(snapshot, commit.files)), default=0.0)
    verdict: Verdict = "pass" if highest > 0 else "fail"
    message = f"transactions.amount: the highest is {highest:g}" + ("" if highest > 0 else ", so nothing was ever sold")
    return Check("range", "transactions", "amount", verdict, highest, 0, message)


def _batches(snapshot: Snapshot) -> Iterator[Mapping[str, Any]]:
    """Facts of each batch, also of those that compaction has merged, oldest first."""
    for commit in snapshot.commits:
        yield from commit.properties.get("merged", [commit.properties])


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _nulls(snapshot: Snapshot, files: Iterable[FileEntry]) -> dict[str, tuple[int, int]]:
    """Column -> (nulls, rows), from the footers."""
    found: dict[str, tuple[int, int]] = {}
    for name, statistics, rows in _statistics(snapshot, files):
        nulls, seen = found.get(name, (0, 0))
        missing = statistics.null_count if statistics is not None and statistics.has_null_count else 0
        found[name] = (nulls + missing, seen + rows)
    return found


def _maxima(snapshot: Snapshot, files: Iterable[FileEntry]) -> Iterator[float]:
    for name, statistics, _ in _statistics(snapshot, files):
        if name == "amount" and statistics is not None and statistics.has_min_max:
            yield float(statistics.max)


def _statistics(snapshot: Snapshot, files: Iterable[FileEntry]) -> Iterator[tuple[str, Any, int]]:
    for file in files:
        footer = snapshot.storage.parquet(file.path).metadata
        for group in range(footer.num_row_groups):
            part = footer.row_group(group)
            for column in range(part.num_columns):
                chunk = part.column(column)
                yield chunk.path_in_schema, chunk.statistics, part.num_rows
