"""The only door to SQL: `with Database.open(settings).transaction() as tx: tx.sources.list()`."""

from axiom.db.batches import Batch
from axiom.db.database import Database
from axiom.db.models import Kind, Model, ModelEvent, Stage
from axiom.db.runs import Run
from axiom.db.scores import Score, ScoreSet
from axiom.db.sources import Source
from axiom.db.transaction import Transaction

__all__ = [
    "Batch",
    "Database",
    "Kind",
    "Model",
    "ModelEvent",
    "Run",
    "Score",
    "ScoreSet",
    "Source",
    "Stage",
    "Transaction",
]
