"""Write dashboards, alert rules and the reference of metrics: `python -m axiom.observe` in the repository's root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from axiom.observe.alerts import rule_groups
from axiom.observe.dashboards import DASHBOARDS
from axiom.observe.reference import reference

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD = "# Written by `make dashboards` from axiom/observe; a test fails when it is out of date.\n"


def files() -> Mapping[str, str]:
    """Path below the root -> text of every file that is generated."""
    rules = yaml.safe_dump({"groups": rule_groups()}, sort_keys=False, width=1000)
    boards = {
        f"docker/grafana/dashboards/{one.name}.json": json.dumps(one.json(), indent=2) + "\n" for one in DASHBOARDS
    }
    return {**boards, "docker/prometheus/rules.yml": _HEAD + rules, "docs/metrics.md": reference()}


def main(root: Path) -> None:
    """Write them."""
    for path, text in files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path())
