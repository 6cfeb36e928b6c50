"""The same seed gives the same company: whole or in blocks, here or in another process, whatever else is random."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

from axiom.sources.synthetic import POPULATIONS, generate, iter_chunks, plan, write

if TYPE_CHECKING:
    from pathlib import Path

    from axiom.sources.synthetic.writing import Format

SMALL = {"users": 0.03, "lifecycle": 0.01, "retail": 0.02, "shop": 0.1}
# Small blocks, so that even a small company has several.
BUSY = {"customers": 60, "days": 28, "acquisition_days": 14, "events_per_week": 5_000.0}


def digest(paths: list[Path], root: Path) -> str:
    found = hashlib.sha256()
    for path in paths:
        found.update(str(path.relative_to(root)).encode())
        found.update(path.read_bytes())
    return found.hexdigest()


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("name", POPULATIONS)
def test_seed_42_gives_the_same_bytes_and_another_seed_does_not(name: str, kind: Format, tmp_path: Path) -> None:
    digests = []
    for run, seed in enumerate((42, 42, 43)):
        np.random.seed(run)  # noqa: NPY002 - the global stream must not matter
        root = tmp_path / str(run)
        digests.append(digest(write(generate(name, seed=seed, scale=SMALL[name]), root, kind), root))
    assert digests[0] == digests[1] != digests[2]


def test_another_process_with_other_hashes_writes_the_same_bytes(tmp_path: Path) -> None:
    here = write(generate("users", scale=0.02), tmp_path / "here")
    script = "import sys; from axiom.sources.synthetic import *; write(generate('users', scale=0.02), sys.argv[1])"
    environment = os.environ | {"PYTHONHASHSEED": "1234"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "there")], check=True, env=environment)
    there = [tmp_path / "there" / path.relative_to(tmp_path / "here") for path in here]
    assert digest(here, tmp_path / "here") == digest(there, tmp_path / "there")


def test_blocks_in_any_order_and_from_any_worker_are_those_of_the_whole() -> None:
    decided = plan("shop", **BUSY)
    assert decided.blocks > 1
    workers = [pickle.loads(pickle.dumps(decided)) for _ in range(decided.blocks)]
    backwards = [workers[index].block(index) for index in reversed(range(decided.blocks))]
    whole = generate("shop", **BUSY)
    for side in ("tables", "truth"):
        for name, table in getattr(whole, side).items():
            pieces = [getattr(piece, side)[name] for piece in reversed(backwards)]
            assert pa.concat_tables(pieces).equals(table)
            assert len(pieces[0]) > 0


def test_blocks_do_not_repeat_each_other() -> None:
    pieces = list(iter_chunks("shop", **BUSY))
    amounts = [tuple(piece.tables["transactions"]["amount"].to_pylist()[:5]) for piece in pieces]
    assert len(set(amounts)) == len(pieces)


def test_populations_of_one_seed_are_independent() -> None:
    shop, retail = (generate(name, customers=100, r=0.5, alpha=4.0, a=1.0, b=3.0) for name in ("shop", "retail"))
    assert shop.truth["customers"]["purchase_rate"] != retail.truth["customers"]["purchase_rate"]
