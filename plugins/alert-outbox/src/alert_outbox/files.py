"""The file of a SQLite database."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def make(path: Path) -> None:
    """Make it where it is missing, without what is left of one that was removed: an idle process may hold that locked.

    Masked alerts are still nobody else's; SQLite gives its other files the same permissions.
    """
    if path.exists():
        return
    if sys.platform == "win32":  # an open file cannot be removed
        os.close(os.open(path, os.O_CREAT | os.O_RDWR))
        return
    import fcntl

    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # what another process has made meanwhile is in use
        if not path.exists():
            for suffix in ("-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    finally:
        os.close(folder)
