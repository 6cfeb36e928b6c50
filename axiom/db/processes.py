"""Whether a process of this machine is still there."""

from __future__ import annotations

import os
from pathlib import Path


def process_exists(pid: int) -> bool:
    """Whether the process runs. One that ended, but whose parent has not noticed yet (a zombie), does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True  # no such folder on this system
    return stat.rpartition(")")[2].split()[0] != "Z"
