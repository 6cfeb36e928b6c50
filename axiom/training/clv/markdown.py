"""The report for people: Markdown from the JSON-ready dictionaries of `axiom.training.clv.report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_COLUMNS = {
    "log score": "log_score",
    "pinball": "pinball_purchases",
    "MAE": "mae_purchases",
    "RMSE": "rmse_purchases",
    "MASE": "mase_purchases",
    "bias": "bias_purchases",
}
_MONEY = {
    "pinball": "pinball_spend",
    "MAE": "mae_spend",
    "RMSE": "rmse_spend",
    "MASE": "mase_spend",
    "bias": "bias_spend",
}

_COVERAGE = (
    "In per cent, the model's own → at the levels learnt from the previous origin. An outcome is covered when its "
    "randomised PIT lies between the levels."
)
_LEGEND = (
    "`–`: not defined. `MASE` 1 = past rate x horizon. Bias: forecast total over actual total - 1. Intervals speak "
    "of other customers of the same period, not of other periods."
)


def training_markdown(report: Mapping[str, Any]) -> str:
    """A training's report."""
    model, fit = report["model"], report["model"]["fit"]
    lines = [
        f"# Lifetime value: {model['family']}",
        f"{report['customers']:,} customers at {report['fitted_at'][:10]}; horizon {model['horizon_days']} days.",
        *_section("Read this first", [f"- {warning}" for warning in report["warnings"]]),
        "## Parameters",
        _fit_text(fit),
    ]
    lines += ["## Interval levels", _levels(model["levels"])]
    if report["backtest"] is not None:
        lines.append(backtest_markdown(report["backtest"], title="## Backtest"))
    return "\n\n".join(lines) + "\n"


def _fit_text(fit: Mapping[str, Any]) -> str:
    """What was learnt: numbers as a list, fitted probabilistic models as a table, whatever the family calls them."""
    told = [f"- {name.replace('_', ' ')}: {_value(value)}" for name, value in fit.items() if not _is_model(value)]
    models = [part for part in fit.values() if _is_model(part)]
    rows = [
        (part["model"], _value(part["params"]), f"{part['log_likelihood']:.2f}", f"{part['customers']:,.0f}")
        for part in models
    ]
    table = _table(("model", "parameters", "log likelihood", "customers"), rows) if rows else []
    return "\n\n".join("\n".join(block) for block in (told, table) if block)


def _is_model(part: Any) -> bool:
    return isinstance(part, dict) and "log_likelihood" in part


def _value(value: Any) -> str:
    if isinstance(value, dict):
        if any(_is_model(part) for part in value.values()):
            return "; ".join(
                f"{part['model']} ({_value(part['params'])})" for part in value.values() if _is_model(part)
            )
        return ", ".join(f"{name} {_value(part)}" for name, part in value.items())
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def backtest_markdown(report: Mapping[str, Any], title: str = "# Backtest of lifetime value") -> str:
    """A backtest's report, of `backtest_report`."""
    compared = ", ".join(as_of[:10] for as_of in report["compared"])
    lines = [
        title,
        f"Champion: **{report['champion']}**. Rule: {report['rule']}.",
        f"Horizon {report['horizon_days']} days; compared at {compared}.",
        *_section("Warnings", [f"- {warning}" for warning in report["warnings"]]),
        "### Purchases",
        _metric_table(report, _COLUMNS, "purchases"),
        "### Spend",
        _metric_table(report, _MONEY, "spend"),
        "### Coverage of central intervals",
        _COVERAGE,
        _coverage_table(report),
        "### Against the champion",
        "Paired difference on the same customers with its 95 % limits; below 0 is better than the champion.",
        _difference_table(report),
        "### Origin by origin",
        _origin_table(report),
        "### Deciles of expected purchases",
        _decile_table(report["latest"]),
        _LEGEND,
    ]
    return "\n\n".join(lines) + ("\n" if title.startswith("# ") else "")


def _metric_table(report: Mapping[str, Any], columns: Mapping[str, str], what: str) -> str:
    rows = [
        (
            _name(line, report),
            *(_number(line["scores"].get(metric), metric) for metric in columns.values()),
            line["refused"],
        )
        for line in report["contenders"]
    ]
    naive = [
        "–" if metric not in report["naive"] else _number(report["naive"][metric], metric)
        for metric in columns.values()
    ]
    rows.append((f"past rate x horizon ({what})", *naive, ""))
    return "\n".join(_table(("model", *columns, "refused"), rows))


def _coverage_table(report: Mapping[str, Any]) -> str:
    scores = report["contenders"][0]["scores"]
    nominal = [name.split("_")[1] for name in scores if name.startswith("coverage_") and name.endswith("_purchases")]
    head = ("model", *(f"{what} {level}" for what in ("purchases", "spend") for level in nominal))
    rows = []
    for line in report["contenders"]:
        pairs = [
            (line["scores"].get(f"coverage_{level}_{what}"), line["scores"].get(f"recalibrated_{level}_{what}"))
            for what in ("purchases", "spend")
            for level in nominal
        ]
        rows.append((_name(line, report), *(f"{_percent(own)} → {_percent(again)}" for own, again in pairs)))
    return "\n".join(_table(head, rows))


def _difference_table(report: Mapping[str, Any]) -> str:
    metrics = ("log_score", "pinball_purchases", "mae_purchases", "rmse_purchases", "pinball_spend", "mae_spend")
    rows = []
    for line in report["contenders"]:
        if line["against_champion"]:
            tests = [line["against_champion"].get(metric) for metric in metrics]
            rows.append((line["name"], *("–" if test is None else _test(test) for test in tests)))
    return (
        "\n".join(_table(("model", *(m.replace("_", " ") for m in metrics)), rows)) if rows else "No other candidate."
    )


def _origin_table(report: Mapping[str, Any]) -> str:
    metrics = ("log_score", "mae_purchases", "bias_purchases", "bias_spend", "coverage_90_purchases")
    rows = []
    for judged in report["judgements"]:
        if judged["failed"]:
            rows.append((judged["as_of"][:10], judged["candidate"], f"not judged: {judged['failed']}", *[""] * 5))
            continue
        pit = judged["pit"]["purchases"]
        cells = [_number(judged["scores"].get(metric), metric) for metric in metrics]
        rows.append((judged["as_of"][:10], judged["candidate"], *cells, f"{pit['ks_p_value']:.3g}"))
    return "\n".join(_table(("origin", "model", *(m.replace("_", " ") for m in metrics), "PIT p"), rows))


def _decile_table(latest: Mapping[str, Any]) -> str:
    rows = [
        (
            row["group"],
            row["rows"],
            f"{row['mean_predicted']:.3f}",
            f"{row['mean_actual']:.3f}",
            f"{row['captured']:.0%}",
        )
        for row in latest["deciles"]["purchases"]
    ]
    head = ("decile", "customers", "expected", "actual", "share of all purchases up to here")
    return f"{latest['rows']:,} customers at {latest['as_of'][:10]}.\n\n" + "\n".join(_table(head, rows))


def _levels(levels: Mapping[str, Any]) -> str:
    rows = [
        (what, *(f"{value:.4f}" for value in levels[what]))
        for what in ("purchases", "spend")
        if levels.get(what) is not None
    ]
    head = ("quantile asked for", *(f"{level:g}" for level in levels["nominal"]))
    return "\n".join(_table(head, rows))


def _name(line: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    return f"**{line['name']}**" if line["name"] == report["champion"] else str(line["name"])


def _number(score: Mapping[str, Any] | None, metric: str) -> str:
    if score is None or score["value"] is None:
        return "–"
    value, low, high = (score["value"][key] for key in ("value", "low", "high"))
    if metric.startswith("bias"):
        return f"{value:+.1%} ± {(high - low) / 2:.1%}"
    if metric.startswith("coverage"):
        return f"{value:.1%}"
    return f"{value:.4g} ± {(high - low) / 2:.2g}"


def _percent(score: Mapping[str, Any] | None) -> str:
    return "–" if score is None or score["value"] is None else f"{100 * score['value']['value']:.1f}"


def _test(test: Mapping[str, Any]) -> str:
    gap = test["difference"]
    return f"{gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]"


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"### {title}", "\n".join(lines)] if lines else []


def _table(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> list[str]:
    names = [str(cell) for cell in head]
    body = [[str(cell) for cell in row] for row in rows]
    return [_row(names), _row("---" for _ in names), *map(_row, body)]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
