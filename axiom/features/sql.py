"""The same features as one DuckDB SQL text: to read, to check against, to run elsewhere."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from axiom.contracts import ENTITIES
from axiom.features.sql_measures import days_between, default, expression, identifier, literal, needs_person, utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from axiom.features.plan import Column, Plan

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (UTC, as in the SQL)
_DAWN = "TIMESTAMP '1900-01-01'"
_ROWS = ("transactions", "events")
_KEY = "as_of, customer_id"


def feature_sql(plan: Plan, as_ofs: Sequence[int] | None = None) -> str:
    """One SELECT that gives the rows of `kernel.compute` from the views `transactions`, `events` and `customers`.

    Args:
        plan: what to compute. Columns of `sql` features are left out: their queries see one cut-off at a time.
        as_ofs: cut-offs in microseconds since 1970; None for one cut-off, the parameter `$as_of`.

    Returns:
        SQL text; rows are sorted by (as_of, customer_id).
    """
    parts = {"cutoffs": _cutoffs(as_ofs)}
    for entity in _ROWS:
        if entity in plan.reads:
            parts |= _visible_rows(plan, entity)
    if "customers" in plan.reads:
        parts["attributes"] = _attributes(plan)
    parts["starts"] = _starts(plan)
    parts["people"] = _people(plan)
    joined = {}
    if "transactions" in plan.reads:
        parts["purchase_days"] = _purchase_days(plan)
        joined["rfm"] = _RFM
    for entity in _ROWS:
        joined |= _aggregates(plan, entity)
    parts |= joined
    body = ",\n".join(f"{name} AS (\n{text}\n)" for name, text in parts.items())
    return f"WITH {body}\n{_final(plan, list(joined))}"


def _cutoffs(as_ofs: Sequence[int] | None) -> str:
    if as_ofs is None:
        return f"  SELECT {utc('CAST($as_of AS TIMESTAMPTZ)')} AS as_of"
    times = ((_EPOCH + timedelta(microseconds=as_of)).isoformat(sep=" ") for as_of in as_ofs)
    rows = ", ".join(f"(TIMESTAMP '{time}')" for time in times)
    return f"  SELECT as_of FROM (VALUES {rows}) AS v(as_of)"


def _known_at(plan: Plan, entity: str) -> str:
    time = ENTITIES[entity].time_column
    return utc(f"coalesce(known_at, {time})" if "known_at" in plan.reads[entity] else time)


def _visible_rows(plan: Plan, entity: str) -> dict[str, str]:
    """Rows each cut-off sees: happened, known, and not yet replaced by a later version of the same key."""
    shape, known_at = ENTITIES[entity], _known_at(plan, entity)
    time, key = shape.time_column, shape.key_column
    source, parts, conditions = entity, {}, [f"{utc(time)} < as_of"]
    if "known_at" in plan.reads[entity]:
        conditions.append(f"{known_at} <= as_of")
    if key in plan.reads[entity]:
        source = f"{entity}_versions"
        parts[source] = (
            f"  SELECT *, CASE WHEN {key} IS NOT NULL THEN lead({known_at}) OVER (\n"
            f"    PARTITION BY customer_id, {key} ORDER BY {known_at}, {time}) END AS replaced_at\n  FROM {entity}"
        )
        conditions.append("(replaced_at IS NULL OR replaced_at > as_of)")
    plain = [identifier(name) for name in plan.reads[entity] if name not in {"customer_id", time, key, "known_at"}]
    columns = ", ".join(["as_of", "customer_id", f"{utc(time)} AS ts", *plain])
    parts[f"visible_{entity}"] = f"  SELECT {columns}\n  FROM {source} JOIN cutoffs ON {' AND '.join(conditions)}"
    return parts


def _attributes(plan: Plan) -> str:
    """The latest row of each customer's attributes that each cut-off sees."""
    known_at = f"coalesce({_known_at(plan, 'customers')}, {_DAWN})" if _dated(plan) else _DAWN
    since = f"coalesce({utc('valid_from')}, {_DAWN})" if _dated(plan) else _DAWN
    plain = [identifier(name) for name in plan.reads["customers"] if name not in {"customer_id", "known_at"}]
    return (
        f"  SELECT {', '.join(['as_of', 'customer_id', *plain])}\n"
        f"  FROM customers JOIN cutoffs ON {since} < as_of AND {known_at} <= as_of\n"
        f"  QUALIFY row_number() OVER (PARTITION BY {_KEY} ORDER BY {since} DESC, {known_at} DESC) = 1"
    )


def _dated(plan: Plan) -> bool:
    return "valid_from" in plan.reads["customers"]


def _starts(plan: Plan) -> str:
    """Everything that can make somebody a customer, with its time where that is the customer's start."""
    unions = [f"  SELECT {_KEY}, ts FROM visible_{entity}" for entity in _ROWS if entity in plan.reads]
    reads = plan.reads.get("customers", ())
    if "signup_ts" in reads:
        unions.append(f"  SELECT {_KEY}, {utc('signup_ts')} FROM attributes WHERE {utc('signup_ts')} < as_of")
    if "valid_from" in reads:
        unsigned = "signup_ts IS NULL AND " if "signup_ts" in reads else ""
        unions.append(f"  SELECT {_KEY}, NULL FROM attributes WHERE {unsigned}{utc('valid_from')} > {_DAWN}")
    return "\n  UNION ALL\n".join(unions)


def _people(plan: Plan) -> str:
    cohorts = plan.feature_set.lifecycle

    def by_tenure(values: Sequence[str]) -> str:
        pairs = zip(cohorts[:-1], values[:-1], strict=True)
        cases = " ".join(f"WHEN coalesce(tenure, 0) < {cohort.until} THEN {value}" for cohort, value in pairs)
        return f"CASE {cases} ELSE {values[-1]} END" if cases else values[-1]

    return (
        f"  SELECT {_KEY}, min(ts) AS start_ts, {days_between('as_of', 'min(ts)')} AS tenure,\n"
        f"    {by_tenure([literal(cohort.name) for cohort in cohorts])} AS lifecycle,\n"
        f"    {by_tenure([str(cohort.window) for cohort in cohorts])} AS stage_window\n"
        f"  FROM starts GROUP BY {_KEY}"
    )


def _purchase_days(plan: Plan) -> str:
    """One row per customer and UTC day on which more was bought than returned."""
    has_amount = "amount" in plan.reads["transactions"]
    amount = "amount" if has_amount else "CAST(NULL AS DOUBLE)"
    return (
        f"  SELECT {_KEY}, CAST(ts AS DATE) AS day, sum({amount}) AS net\n"
        f"  FROM visible_transactions GROUP BY ALL\n"
        f"  HAVING count({amount}) = 0 OR sum({amount}) > 1e-9 * sum(abs({amount}))"
    )


_RFM = f"""  SELECT {_KEY}, count(*) - 1 AS x, max(day) - min(day) AS t_x,
    CAST(as_of - INTERVAL 1 MICROSECOND AS DATE) - min(day) AS "T",
    avg(net) FILTER (WHERE day > first_day) AS mean_spend
  FROM (SELECT *, min(day) OVER (PARTITION BY {_KEY}) AS first_day FROM purchase_days) GROUP BY {_KEY}"""


def _aggregates(plan: Plan, entity: str) -> dict[str, str]:
    mine = [column for column in plan.columns if column.feature.entity == entity]
    alone = [column for column in mine if not needs_person(column)]
    personal = [column for column in mine if needs_person(column)]
    parts = {}
    if alone:
        parts[f"{entity}_features"] = (
            f"  SELECT {_KEY},\n{_expressions(alone)}\n  FROM visible_{entity} GROUP BY {_KEY}"
        )
    if personal:
        parts[f"{entity}_personal_features"] = (
            f"  SELECT {_KEY},\n{_expressions(personal)}\n  FROM people LEFT JOIN visible_{entity} USING ({_KEY})\n"
            f"  GROUP BY {_KEY}, start_ts, stage_window"
        )
    return parts


def _expressions(columns: Sequence[Column]) -> str:
    return ",\n".join(f"    {expression(column)} AS {column.name}" for column in columns)


def _final(plan: Plan, joined: Sequence[str]) -> str:
    summary = ('"x"', '"t_x"', '"T"', '"mean_spend"')
    base = [f"CAST({name if 'rfm' in joined else 'NULL'} AS DOUBLE) AS {name}" for name in summary]
    columns = [_output(column) for column in plan.columns if column.feature.kind != "sql"]
    tables = [*joined, *(["attributes"] if "customers" in plan.reads else [])]
    joins = "".join(f"\nLEFT JOIN {name} USING ({_KEY})" for name in tables)
    moment = "make_timestamptz(epoch_us(as_of)) AS as_of"
    select = ",\n".join(f"  {text}" for text in ["customer_id", moment, *base, "lifecycle", *columns])
    return f"SELECT\n{select}\nFROM people{joins}\nORDER BY people.as_of, customer_id"


def _output(column: Column) -> str:
    feature, name = column.feature, column.name
    if feature.kind == "tenure":
        return f"tenure AS {name}" if name != "tenure" else "tenure"
    if feature.kind == "attribute":
        attribute = f"attributes.{identifier(feature.column)}"
        if feature.method == "days_since":
            attribute = days_between("as_of", attribute)
        elif feature.method == "days_until":
            attribute = days_between(attribute, "as_of")
        return f"{attribute if column.type == 'text' else f'CAST({attribute} AS DOUBLE)'} AS {name}"
    value = name
    if not needs_person(column) and (zero := default(column)):
        value = f"CASE WHEN {feature.entity}_features.customer_id IS NULL THEN {zero} ELSE {name} END"
    return f"CAST({value} AS DOUBLE) AS {name}"
