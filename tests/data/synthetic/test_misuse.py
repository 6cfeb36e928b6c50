"""A call that makes no sense is refused before anything is drawn, and the message names the way out."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from axiom.errors import MisuseError
from axiom.sources.synthetic import POPULATIONS, generate, iter_chunks, plan


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"name": "bank"}, "unknown population 'bank' .one of users, lifecycle, retail, shop."),
        ({"scale": 0}, "scale=0 is out of range"),
        ({"scale": -1.0}, "scale=-1.0 is out of range"),
        ({"scale": float("nan")}, "scale=nan is out of range"),
        ({"scale": float("inf")}, "scale=inf is out of range"),
        ({"scale": "2"}, "scale='2' is out of range"),
        ({"scale": 1e-9}, "leaves no customer"),
        ({"seed": -1}, "seed=-1 is not a seed"),
        ({"seed": 1.5}, "seed=1.5 is not a seed"),
        ({"seed": None}, "seed=None is not a seed"),
        ({"start": "yesterday"}, "start='yesterday' is not a date"),
        ({"start": 2023}, "start=2023 is not a date"),
        ({"start": "1900-01-01"}, "start='1900-01-01' is out of range"),
        ({"customer": 5}, "unknown option 'customer' .known options: .*customers"),
        ({"customers": 0}, "customers=0 is out of range"),
        ({"customers": 2.5}, "customers=2.5 is out of range"),
        ({"customers": True}, "customers=True is out of range"),
        ({"late_share": 1.1}, "late_share=1.1 is out of range .a number from 0 to 1."),
        ({"days": 3}, "days=3 is out of range .a whole number from 28"),
        ({"resolution": 1}, "resolution=1 is not text"),
    ],
)
def test_misuse_is_refused_with_a_way_out(arguments: dict[str, object], complaint: str) -> None:
    arguments = {"name": "shop"} | arguments
    with pytest.raises(MisuseError, match=complaint) as caught:
        generate(**arguments)  # type: ignore[arg-type]
    assert caught.value.hint


def test_chunks_refuse_at_the_call_and_not_at_the_first_piece() -> None:
    with pytest.raises(MisuseError, match="unknown population"):
        iter_chunks("bank")


@pytest.mark.parametrize("index", [-1, 1])
def test_a_block_that_does_not_exist_is_refused(index: int) -> None:
    with pytest.raises(MisuseError, match="does not exist"):
        plan("shop", customers=10).block(index)


def test_dates_and_numpy_numbers_are_as_good_as_text_and_python_numbers() -> None:
    one = generate("shop", customers=np.int64(10), seed=np.int64(3), r=np.float64(0.5), start=date(2024, 2, 29))
    two = generate("shop", customers=10, seed=3, r=0.5, start="2024-02-29")
    assert one.parameters == two.parameters
    assert one.tables["transactions"].equals(two.tables["transactions"])


def test_every_population_and_option_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "synthetic.md").read_text(encoding="utf-8")
    for name, recipe in POPULATIONS.items():
        for option in (name, *(field.name for field in fields(recipe))):
            assert f"`{option}`" in text, f"{name}: {option}"


@pytest.mark.parametrize("name", POPULATIONS)
def test_every_numeric_option_has_limits_that_admit_its_default(name: str) -> None:
    recipe = POPULATIONS[name]
    for field in fields(recipe):
        if not isinstance(field.default, str):
            low, high = recipe.limits[field.name]
            assert low <= field.default <= high
    assert recipe.read({}) == recipe()
