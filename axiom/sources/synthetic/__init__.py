"""Synthetic companies: seeded, scalable, and with the truth kept apart so that recovery can be tested.

`generate` builds one in memory, `iter_chunks` yields the same rows block by block, `write` stores either as files.
"""

from __future__ import annotations

from axiom.sources.synthetic.company import SyntheticCompany
from axiom.sources.synthetic.plan import POPULATIONS, Plan, generate, iter_chunks, plan
from axiom.sources.synthetic.writing import write

__all__ = ["POPULATIONS", "Plan", "SyntheticCompany", "generate", "iter_chunks", "plan", "write"]
