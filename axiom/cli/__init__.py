"""The `axiom` command: verbs for every stage. Exit code 0 is success, 1 failure, 2 misuse."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point of the `axiom` command."""
    # Our matrices are small and Ray's workers fill the cores: BLAS threads that wait for one cost a hundredfold.
    # It has to be said before numpy loads; what the user has set stays.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from axiom.cli.app import app
    from axiom.cli.console import explain, explain_bug
    from axiom.errors import AxiomError

    try:
        app()
    except AxiomError as error:
        explain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("axiom: interrupted; run the same command again to go on where it stopped\n")
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output is gone (`axiom sql … | head`): nobody is left to tell
        sys.exit(141)
    except Exception as error:  # noqa: BLE001  (the last door: a person gets one line, a developer the trace)
        explain_bug(error)
        sys.exit(1)
