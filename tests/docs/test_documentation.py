"""Documentation is under test: what it names exists, and what exists is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from axiom.cli.app import app
from axiom.cli.reference import leaves, reference
from axiom.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
VERBS = dict(leaves(typer.main.get_command(app)))
GROUPS = {verb.split()[0] for verb in VERBS}


def test_the_reference_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == reference(), "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    for line in re.findall(r"(?:^|`|\d  ?)axiom ([a-z][^`\n]*)", page.read_text(), flags=re.MULTILINE):
        words = line.split("#")[0].split()
        verb = next((v for v in (" ".join(words[:n]) for n in (2, 1)) if v in VERBS), None)
        assert verb or words[0] in GROUPS, f"{page.name}: axiom {line}"
        if verb:
            known = {
                option for parameter in VERBS[verb].params for option in (*parameter.opts, *parameter.secondary_opts)
            }
            for option in re.findall(r"(?<!\S)(--[a-z-]+)", line.split("#")[0]):
                assert option in known | {"--help"}, f"{page.name}: axiom {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    known = {doc.env for doc in Settings.describe()}
    assert set(re.findall(r"AXIOM_[A-Z0-9_]+[A-Z0-9]", page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_target_of_the_makefile_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), flags=re.MULTILINE))
        assert named <= targets, page.name


def test_every_job_calls_a_verb_that_exists() -> None:
    for job in (ROOT / "jobs").glob("*.py"):
        (verb,) = re.findall(r'sys\.argv\.insert\(1, "([a-z]+)"\)', job.read_text())
        assert verb in GROUPS, job.name
        assert verb == job.stem
