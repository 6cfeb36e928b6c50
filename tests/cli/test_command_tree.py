"""Every verb explains itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import typer

from axiom.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, child in getattr(command, "commands", {}).items():
        if getattr(child, "commands", None):
            yield from leaves(child, (*path, name))
        else:
            yield " ".join((*path, name)), child


VERBS = dict(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_text_and_an_example_of_itself(verb: str) -> None:
    command = VERBS[verb]
    assert command.help
    assert f"axiom {verb}" in (command.epilog or ""), "the epilog shows an example of this very verb"


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"serve"}))
def test_every_verb_that_ends_can_answer_in_json(verb: str) -> None:
    assert any("--json" in parameter.opts for parameter in VERBS[verb].params)


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_is_for(verb: str) -> None:
    silent = [p.name for p in VERBS[verb].params if p.param_type_name == "option" and not getattr(p, "help", None)]
    assert silent == []


def test_importing_the_command_line_loads_no_heavy_library() -> None:
    import subprocess
    import sys

    heavy = [
        "ray",
        "pandas",
        "pyarrow",
        "numpy",
        "sklearn",
        "lightgbm",
        "duckdb",
        "sqlalchemy",
        "matplotlib",
        "starlette",
    ]
    code = f"import sys, axiom.cli.app; print(sorted(set({heavy}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
