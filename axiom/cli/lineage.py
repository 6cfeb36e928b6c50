"""The verb that says where a score comes from: lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from axiom.cli.console import JsonFlag, emit, workspace
from axiom.errors import MisuseError

if TYPE_CHECKING:
    from axiom.pipelines.lineage import Lineage


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(epilog="Example: axiom lineage --customer C0042")(lineage)


def lineage(
    customer: Annotated[str | None, typer.Option(help="Where the current score of this customer comes from.")] = None,
    score_set: Annotated[str | None, typer.Option(help="Where a whole score set comes from.")] = None,
    json: JsonFlag = False,
) -> None:
    """Which batches, snapshots, datasets and model versions fed a score. For a model: `axiom models lineage`."""
    from axiom.pipelines.lineage import lineage_of_customer, lineage_of_scores

    if (customer is None) == (score_set is None):
        raise MisuseError("name one customer or one score set", hint="--customer C0042, or --score-set ID")
    with workspace() as ws:
        found = lineage_of_customer(ws, customer) if customer is not None else lineage_of_scores(ws, str(score_set))
    emit(found.to_dict(), as_json=json, lines=lines_of(found))


def lines_of(found: Lineage) -> list[str]:
    """The tree, the batches behind it, and what was made of it."""
    batches = found.batches()
    made = [f"  {node.label}" for node in found.used_by()]
    count = f"{len(batches)} batch{'' if len(batches) == 1 else 'es'}"
    fed = f"fed by {count}: {', '.join(str(node.facts['batch_id']) for node in batches)}"
    return [*found.tree(), "", fed, *(["used by:", *made] if made else [])]
