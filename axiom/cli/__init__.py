"""The `axiom` command: verbs for every stage. Exit code 0 is success, 1 failure, 2 misuse."""

from __future__ import annotations

import sys

from axiom.errors import AxiomError


def main() -> None:
    """Entry point of the `axiom` command."""
    from axiom.cli.app import app
    from axiom.cli.console import explain

    try:
        app()
    except AxiomError as error:
        explain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("axiom: interrupted; run the same command again to go on where it stopped\n")
        sys.exit(130)
