"""Where a score, a score set or a model comes from: batches -> silver snapshots -> gold -> model versions -> scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from axiom.contracts import ENTITIES
from axiom.errors import NotFoundError
from axiom.lake.buckets import bucket_of
from axiom.pipelines.build import moment_of
from axiom.pipelines.train import trained_on_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from axiom.lake import Manifest
    from axiom.pipelines.workspace import Workspace
    from axiom.registry.registry import ModelVersion


@dataclass(frozen=True)
class Node:
    """One thing that was made, or came in.

    Attributes:
        id: unique, `kind:name`.
        kind: `batch`, `snapshot`, `features`, `labels`, `model`, `scores` or `customer`.
        label: one line for people.
        facts: what is known of it, JSON values.
    """

    id: str
    kind: str
    label: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Lineage:
    """A graph: an edge leads from what fed something to what it fed.

    Attributes:
        root: id of the node that was asked about.
        nodes: every node, once.
        edges: (from, to), each once.
    """

    root: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    def node(self, node_id: str) -> Node:
        """The node of an id; KeyError where there is none."""
        return {node.id: node for node in self.nodes}[node_id]

    def batches(self) -> list[Node]:
        """Every batch that fed the root, through whatever path."""
        reached, waiting = set(), [self.root]
        while waiting:
            at = waiting.pop()
            if at not in reached:
                reached.add(at)
                waiting += [source for source, target in self.edges if target == at]
        return [node for node in self.nodes if node.kind == "batch" and node.id in reached]

    def used_by(self) -> list[Node]:
        """What was made of the root."""
        targets = {target for source, target in self.edges if source == self.root}
        return [node for node in self.nodes if node.id in targets]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: root, nodes, edges, and the ids of the batches that fed the root."""
        return {
            "root": self.root,
            "batches": [node.facts["batch_id"] for node in self.batches()],
            "nodes": [asdict(node) for node in self.nodes],
            "edges": [{"from": source, "to": target} for source, target in self.edges],
        }

    def tree(self) -> list[str]:
        """The root and everything that fed it, as text; what was shown before is not spread out again."""
        lines = [self.node(self.root).label]
        self._branches(self.root, "", lines, {self.root})
        return lines

    def _branches(self, at: str, indent: str, lines: list[str], shown: set[str]) -> None:
        sources = [source for source, target in self.edges if target == at]
        for place, source in enumerate(sources):
            last = place == len(sources) - 1
            known = source in shown and any(target == source for _, target in self.edges)
            lines.append(f"{indent}{'└─' if last else '├─'} {self.node(source).label}{', as above' if known else ''}")
            if not known:
                shown.add(source)
                self._branches(source, f"{indent}{'   ' if last else '│  '}", lines, shown)


def lineage_of_model(ws: Workspace, name: str, which: str = "latest") -> Lineage:
    """What a model version was trained on, and which score sets it made.

    Raises:
        NotFoundError: no such version.
        CorruptError: its artefact does not match its checksum.
    """
    graph = _Graph(ws)
    version = ws.registry.get(name, which)
    root = graph.model(version)
    for manifest in ws.lake.datasets("scores"):
        if version.ref in manifest.inputs:
            graph.link(root, graph.note_scores(manifest))
    return graph.finish(root)


def lineage_of_scores(ws: Workspace, score_set: str) -> Lineage:
    """What a score set was made from.

    Raises:
        NotFoundError: there is no such score set.
    """
    graph = _Graph(ws)
    return graph.finish(graph.scores(score_set))


def lineage_of_customer(ws: Workspace, customer: str) -> Lineage:
    """What the current score of one customer was made from; every batch says how many rows it holds of the customer.

    Raises:
        NotFoundError: the customer has no score.
    """
    with ws.db.reading() as tx:
        score = tx.scores.get(customer)
    graph = _Graph(ws, customer, score.as_of)
    facts = {"customer_id": customer, "p_churn": score.p_churn, "clv_mean": score.clv_mean, "as_of": _iso(score.as_of)}
    told = [f"P(churn) {score.p_churn:.3f}"] if score.p_churn is not None else []
    told += [f"CLV {score.clv_mean:,.2f}"] if score.clv_mean is not None else []
    root = graph.add("customer", customer, f"customer {_printable(customer)}: {', '.join(told) or 'no score'}", facts)
    graph.link(graph.scores(score.score_set_id), root)
    return graph.finish(root)


class _Graph:
    """Nodes and edges as they are found, each once."""

    def __init__(self, ws: Workspace, customer: str | None = None, as_of: datetime | None = None) -> None:
        self._ws = ws
        self._nodes: dict[str, Node] = {}
        self._edges: dict[tuple[str, str], None] = {}
        self._rows_of = {} if customer is None else _rows_by_batch(ws, customer, as_of or datetime.now(UTC))
        self._of_customer = customer is not None

    def finish(self, root: str) -> Lineage:
        return Lineage(root, tuple(self._nodes.values()), tuple(self._edges))

    def add(self, kind: str, name: str, label: str, facts: Mapping[str, Any]) -> str:
        node = Node(f"{kind}:{name}", kind, label, facts)
        self._nodes.setdefault(node.id, node)
        return node.id

    def link(self, source: str, target: str) -> None:
        self._edges[source, target] = None

    def scores(self, score_set: str) -> str:
        try:
            manifest = self._ws.lake.dataset("scores", score_set).manifest
        except NotFoundError:
            known = [one.id for one in self._ws.lake.datasets("scores")][-3:]
            raise NotFoundError(
                f"there is no score set {score_set!r}",
                hint=f"the latest are {', '.join(known)}" if known else "run `axiom score` first",
            ) from None
        root = self.note_scores(manifest)
        self.link(self.dataset("features", manifest.properties["features"]), root)
        for reference in manifest.properties["models"].values():
            if reference:
                name, _, number = reference.rpartition("@")
                self.link(self.model(self._ws.registry.get(name, number)), root)
        return root

    def note_scores(self, manifest: Manifest) -> str:
        """The node of a score set, without what it was made from."""
        facts = {"score_set": manifest.id, "rows": manifest.rows, "created_at": manifest.created_at}
        facts |= {"as_of": manifest.properties["as_of"], "models": manifest.properties["models"]}
        label = f"scores {manifest.id}: {manifest.rows:,} customers as of {manifest.properties['as_of'][:10]}"
        return self.add("scores", manifest.id, label, facts)

    def model(self, version: ModelVersion) -> str:
        origin = trained_on_in(self._ws.registry.load_files(version))
        facts = {"model": version.ref, "stage": version.stage, "type": version.card.model_type}
        facts |= {"created_at": _iso(version.created_at), "artefact_sha256": version.artefact_sha256}
        facts |= {"data_hash": version.card.data_hash, "feature_set_version": version.card.feature_set.version}
        missing = "" if origin else "; its artefact does not say what it was trained on"
        label = f"model {version.ref}: {version.card.model_type}, {version.stage}{missing}"
        root = self.add("model", version.ref, label, facts)
        for kind, ids in (("features", origin.features), ("labels", origin.labels)) if origin else ():
            for dataset_id in ids:
                self.link(self.dataset(kind, dataset_id), root)
        return root

    def dataset(self, kind: str, dataset_id: str) -> str:
        try:
            manifest = self._ws.lake.dataset(kind, dataset_id).manifest
        except NotFoundError:
            return self.add(
                kind, dataset_id, f"{kind} {dataset_id}: gone from the lake", {"id": dataset_id, "gone": True}
            )
        cuts = [f"{moment_of(as_of):%Y-%m-%d}" for as_of in manifest.properties["as_ofs"]]
        span = cuts[0] if len(cuts) == 1 else f"{len(cuts)} cut-offs {cuts[0]} to {cuts[-1]}"
        facts = {"id": dataset_id, "rows": manifest.rows, "cutoffs": cuts, "created_at": manifest.created_at}
        facts |= {name: manifest.properties[name] for name in ("feature_set", "feature_set_version")}
        root = self.add(kind, dataset_id, f"{kind} {dataset_id}: {manifest.rows:,} rows, {span}", facts)
        for snapshot in manifest.inputs:
            entity = snapshot.partition(":")[0]
            self.link(self._snapshot(snapshot, entity, manifest.properties["batches"][entity]), root)
        return root

    def _snapshot(self, name: str, entity: str, batches: list[str]) -> str:
        label = f"silver {entity}, snapshot {name.partition(':')[2]}"
        node = self.add("snapshot", name, label, {"entity": entity, "batches": batches})
        for batch_id in batches:
            self.link(self._batch(entity, batch_id), node)
        return node

    def _batch(self, entity: str, batch_id: str) -> str:
        facts: dict[str, Any] = {"batch_id": batch_id, "entity": entity}
        told = f"batch {batch_id}"
        try:
            with self._ws.db.reading() as tx:
                batch = tx.batches.get(batch_id)
        except NotFoundError:
            told += ": no record of its ingest"
        else:
            facts |= {"source": batch.source, "accepted": batch.accepted, "ingested_at": _iso(batch.started_at)}
            facts |= {name: batch.detail.get(name) for name in ("min_time", "max_time")}
            told += f" from {_printable(batch.source)}: {batch.accepted:,} rows, {str(facts['min_time'])[:10]} to "
            told += f"{str(facts['max_time'])[:10]}, ingested {batch.started_at:%Y-%m-%d %H:%M}"
        if self._of_customer:
            facts["rows_of_customer"] = rows = self._rows_of.get(batch_id, 0)
            told += f"; {rows} of this customer" if rows is not None else "; merged with others since"
        return self.add("batch", f"{entity}/{batch_id}", told, facts)


def _rows_by_batch(ws: Workspace, customer: str, as_of: datetime) -> dict[str, int | None]:
    """Batch -> rows of one customer before the cut-off, or without a time; None where batches were merged since."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bucket = bucket_of(customer, ws.lake.buckets)
    until = pa.scalar(as_of, pa.timestamp("us", "UTC"))
    found: dict[str, int | None] = {}
    for entity, snapshot in ws.lake.snapshots().items():
        time = ENTITIES[entity].time_column
        for commit in snapshot.commits:
            rows = 0
            for file in commit.files:
                if file.bucket == bucket:
                    table = ws.lake.storage.parquet(file.path).read(columns=["customer_id", time])
                    mine = pc.and_(
                        pc.equal(table["customer_id"], customer),
                        pc.fill_null(pc.less(table[time], until), fill_value=True),
                    )
                    rows += pc.sum(mine).as_py() or 0
            batches = commit.properties.get("batches", [commit.id])
            found |= dict.fromkeys(batches, rows if len(batches) == 1 else None)
    return found


def _iso(moment: datetime) -> str:
    return moment.isoformat()


def _printable(text: str) -> str:
    """An id or a name may hold line breaks and terminal codes; a tree keeps its shape."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()
