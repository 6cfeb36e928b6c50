"""Dashboards as Grafana reads them, from panels as we write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Look: TypeAlias = Literal["timeseries", "stat"]
_ACROSS = 24
_SCHEMA = 39
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        title: what it shows.
        queries: PromQL and the legend of its series; a legend may use `{{label}}`.
        unit: as Grafana names it: `s`, `percentunit`, `reqps`, `short`, …
        look: over time, or the present number alone.
        red: from here on it is trouble; a line in the picture.
        help: what to read from it.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    look: Look = "timeseries"
    red: float | None = None
    help: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Columns of 24, and rows."""
        return (6, 4) if self.look == "stat" else (12, 8)

    def json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """As Grafana reads it, at a place."""
        width, height = self.size
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        if self.red is not None:
            steps.append({"color": "red", "value": self.red})
        defaults: dict[str, Any] = {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.look == "timeseries" and self.red is not None:
            defaults["custom"] = {"thresholdsStyle": {"mode": "line"}}
        return {
            "id": number,
            "type": self.look,
            "title": self.title,
            "description": self.help,
            "datasource": _SOURCE,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "targets": [
                {"refId": chr(ord("A") + place), "expr": expr, "legendFormat": legend, "datasource": _SOURCE}
                for place, (expr, legend) in enumerate(self.queries)
            ],
        }


@dataclass(frozen=True)
class Dashboard:
    """One page of panels, laid out in the order in which they are written."""

    name: str
    title: str
    panels: tuple[Panel, ...]

    def json(self) -> dict[str, Any]:
        """As Grafana reads it."""
        return {
            "uid": f"axiom-{self.name}",
            "title": f"Axiom: {self.title}",
            "tags": ["axiom"],
            "schemaVersion": _SCHEMA,
            "editable": False,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "utc",
            "templating": {
                "list": [{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
            },
            "links": [{"title": "Axiom", "type": "dashboards", "tags": ["axiom"], "asDropdown": True}],
            "panels": list(_laid_out(self.panels)),
        }


def _laid_out(panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    x = y = height = 0
    for number, panel in enumerate(panels, start=1):
        width, tall = panel.size
        if x + width > _ACROSS or (x and tall != height):
            x, y = 0, y + height
        yield panel.json(number, x, y)
        x, height = x + width, tall
