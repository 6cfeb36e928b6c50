"""Dashboards, rules and the reference of metrics: current, and about numbers that exist."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml

from axiom.observe.__main__ import files, main
from axiom.observe.alerts import ALERTS, rule_groups
from axiom.observe.catalogue import BY_NAME, METRICS, family_of, known_series
from axiom.observe.dashboards import DASHBOARDS

if TYPE_CHECKING:
    from pathlib import Path

RULES = [rule for group in rule_groups() for rule in group["rules"]]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
PANELS = [(board.name, panel) for board in DASHBOARDS for panel in board.panels]
EXPRESSIONS = {
    **{
        f"{name}: {panel.title} {number}": expr
        for name, panel in PANELS
        for number, (expr, _) in enumerate(panel.queries)
    },
    **{rule.get("alert") or rule["record"]: rule["expr"] for rule in RULES},
}


def selectors(expr: str) -> list[tuple[str, dict[str, str]]]:
    """Name and label matchers of every series that an expression reads."""
    found: list[tuple[str, dict[str, str]]] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append((node.name, {matcher.name: matcher.value for matcher in node.matchers.matchers}))
        for part in ("expr", "lhs", "rhs", "vector_selector"):
            if (inner := getattr(node, part, None)) is not None:
                visit(inner)
        for inner in getattr(node, "args", None) or ():
            visit(inner)

    visit(promql_parser.parse(expr))
    return found


@pytest.mark.parametrize("path", list(files()))
def test_what_is_generated_is_what_the_code_says(path: str, root: Path) -> None:
    assert (root / path).read_text() == files()[path], "run `make dashboards`"


def test_writing_makes_every_file(tmp_path: Path) -> None:
    main(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(files())


@pytest.mark.parametrize("name", list(EXPRESSIONS))
def test_every_expression_reads_numbers_that_exist(name: str) -> None:
    read = selectors(EXPRESSIONS[name])
    assert read
    assert {series for series, _ in read} <= known_series() | RECORDED


@pytest.mark.parametrize("name", list(EXPRESSIONS))
def test_every_expression_selects_by_labels_that_the_number_has(name: str) -> None:
    ours = {series: metric for metric in METRICS for series in metric.series}
    for series, matchers in selectors(EXPRESSIONS[name]):
        if series in ours:
            assert set(matchers) <= set(ours[series].labels) | ({"le"} if series.endswith("_bucket_total") else set())


def test_a_selector_is_found_wherever_it_stands() -> None:
    quantile = "histogram_quantile(0.9, sum by (le) (rate(c[1h])))"
    expr = f'(sum(rate(a{{x="1"}}[5m])) or vector(0)) / -max by (y) (b) > time() - {quantile}'
    assert [name for name, _ in selectors(expr)] == ["a", "b", "c"]


def test_every_number_of_ours_is_on_a_dashboard() -> None:
    shown = {series for _, panel in PANELS for expr, _ in panel.queries for series, _ in selectors(expr)}
    missing = [metric.name for metric in METRICS if not shown & set(metric.series)]
    assert missing == []


def test_every_recorded_number_is_used() -> None:
    used = {series for expr in EXPRESSIONS.values() for series, _ in selectors(expr)}
    assert used >= RECORDED


def test_every_metric_of_the_code_is_in_the_reference_with_its_series(root: Path) -> None:
    page = (root / "docs" / "metrics.md").read_text()
    for metric in METRICS:
        (line,) = [line for line in page.splitlines() if line.startswith(f"| `{metric.name}` |")]
        assert all(f"`{name}`" in line for name in (*metric.labels, *metric.series)), line


def test_names_are_unique_and_end_as_their_kind_wants() -> None:
    assert len(BY_NAME) == len(METRICS)
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name


def test_a_sample_finds_its_metric() -> None:
    assert family_of("axiom_predict_latency_seconds_bucket").name == "axiom_predict_latency_seconds"
    assert family_of("axiom_jobs").name == "axiom_jobs"
    with pytest.raises(KeyError):
        family_of("axiom_nothing_total")


def headings(root: Path) -> Counter[str]:
    page = (root / "docs" / "operations.md").read_text()
    return Counter(re.findall(r"^### (\S+)$", page, flags=re.MULTILINE))


def test_every_alert_has_its_section_in_the_run_book_and_links_to_it(root: Path) -> None:
    assert headings(root) == Counter(alert.name for alert in ALERTS)
    for rule in RULES:
        if "alert" in rule:
            assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_the_templates_of_an_alert_name_labels_that_its_expression_keeps() -> None:
    for alert in ALERTS:
        for label in re.findall(r"\$labels\.(\w+)", alert.summary):
            kept = re.findall(r"by \(([^)]*)\)", alert.expr)
            assert label in {name.strip() for names in kept for name in names.split(",")} or alert.expr.startswith(
                "up{"
            )


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.name)
def test_panels_lie_side_by_side_and_none_on_another(board: Any) -> None:
    found = json.loads(json.dumps(board.json()))
    assert len({panel["id"] for panel in found["panels"]}) == len(board.panels)
    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_a_legend_names_labels_that_its_expression_keeps() -> None:
    for _, panel in PANELS:
        for expr, legend in panel.queries:
            kept = {name.strip() for names in re.findall(r"by \(([^)]*)\)", expr) for name in names.split(",")}
            assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= kept, panel.title


def test_the_rule_file_is_what_prometheus_reads(root: Path) -> None:
    written = yaml.safe_load((root / "docker" / "prometheus" / "rules.yml").read_text())
    assert written == {"groups": rule_groups()}
    names = [group["name"] for group in written["groups"]]
    assert len(set(names)) == len(names)
    for rule in RULES:
        assert set(rule) <= {"record", "alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+m|1h", rule.get("for", "1h"))
